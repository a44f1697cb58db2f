import { isDeepStrictEqual } from 'node:util'
import { type MountSpec, outerFirst } from '../config/mounts.ts'
import { messageOf } from '../host/errors.ts'
import { addMount, type LiveMounts, removeMount } from './live-mounts.ts'

/** What has to be taken away, and then mounted, in these orders. */
export interface MountPlan {
  remove: MountSpec[]
  add: MountSpec[]
}

/**
 * The way from some mounts to others: what stays the same stays mounted, unless it lies within one that comes or goes. Pure.
 */
export function mountPlan(before: readonly MountSpec[], wanted: readonly MountSpec[]): MountPlan {
  const isIn = (mounts: readonly MountSpec[], mount: MountSpec) =>
    mounts.some((each) => isDeepStrictEqual(each, mount))
  const remove = before.filter((mount) => !isIn(wanted, mount))
  const add = wanted.filter((mount) => !isIn(before, mount))
  const changing = [...remove, ...add]
  const anew = wanted.filter(
    (mount) =>
      isIn(before, mount) && changing.some(({ mountPoint }) => mount.mountPoint.startsWith(`${mountPoint}/`)),
  )
  return { remove: outerFirst([...remove, ...anew]).toReversed(), add: outerFirst([...add, ...anew]) }
}

/**
 * Brings a running machine from the mounts of its settings to others; those that were mounted besides stay. All is as
 * before when one cannot be taken away or mounted: throws why, like `addMount` and `removeMount`.
 */
export async function changeMounts(live: LiveMounts, wanted: readonly MountSpec[]): Promise<void> {
  const { remove, add } = mountPlan(live.state.config.mounts, wanted)
  const undo: (() => Promise<unknown>)[] = []
  try {
    for (const mount of remove) {
      // Taken away by `tcolima mount remove` already.
      if (!live.state.mounts.some(({ mountPoint }) => mountPoint === mount.mountPoint)) continue
      await removeMount(live, mount.mountPoint, { force: false, save: false })
      undo.unshift(async () => await addMount(live, mount, false))
    }
    for (const mount of add) {
      if (live.state.mounts.some(({ index: _index, ...each }) => isDeepStrictEqual(each, mount))) continue
      await addMount(live, mount, false)
      undo.unshift(async () => await removeMount(live, mount.mountPoint, { force: true, save: false }))
    }
  } catch (error) {
    for (const step of undo) {
      await step().catch((after: unknown) => live.context.log(`mounts as before: ${messageOf(after)}`))
    }
    throw error
  }
}
