import { mountPorts, type MountSpec, outerFirst } from '../config/mounts.ts'
import { type HostMessage, mountMessage } from '../guest/protocol.ts'
import { messageOf, TcolimaError } from '../host/errors.ts'
import { prepareSocketPath, removeSocket } from '../host/sockets.ts'
import { settingsWithMount, settingsWithoutMount, type Write } from '../instance/mount-settings.ts'
import { type ActiveMount, type InstanceState, writeState } from '../instance/state.ts'
import { sshfsOptions } from '../mounts/options.ts'
import { plugMount, unplugMount } from '../vm/hotplug.ts'
import type { AgentContext } from './context.ts'
import type { Machine } from './machine.ts'

// Milliseconds for the guest under software emulation on a busy host.
const guestLimitMs = 60_000

/** A running machine whose mounts are to change. */
export interface LiveMounts {
  context: AgentContext
  machine: Pick<Machine, 'guest' | 'mounts' | 'qmp' | 'tell'>
  state: InstanceState
  /** The client has gone. */
  signal: AbortSignal
  /** The machine has ended. */
  ended: AbortSignal
}

/**
 * Mounts one more folder and waits until the guest has it; gives it. The state is written before the guest is told: an
 * agent that takes over serves it too. Throws `config` where it cannot be, `failed` with the guest's words; it is taken
 * away again then.
 */
export async function addMount(live: LiveMounts, wanted: MountSpec, save: boolean): Promise<MountSpec> {
  const { context, machine, state, signal } = live
  refuseAddition(state, wanted)
  const write = save ? await settingsWithMount(context.paths, wanted, context.host.home) : undefined
  const mount: ActiveMount = { ...wanted, index: freeIndex(state.mounts) }
  const { index } = mount
  const socket = index < mountPorts ? await plugged(live, index) : null
  try {
    state.sockets.mounts[index] = socket
    state.mounts = outerFirst([...state.mounts, mount])
    await writeState(context.paths.state, state)
    machine.mounts.add(mount, socket)
    machine.guest.mounts.delete(index)
    machine.tell(messageFor(mount))
    await machine.guest.wait(
      `the guest did not mount ${wanted.mountPoint}`,
      () => {
        const found = machine.guest.mounts.get(index)
        if (found?.state === 'failed') throw notMounted(wanted, found.detail)
        return found?.state === 'mounted'
      },
      guestLimitMs,
      AbortSignal.any([signal, live.ended]),
    )
  } catch (error) {
    await takeAway(live, index, true).catch((after: unknown) =>
      context.log(`mount ${wanted.mountPoint} cannot be taken back: ${messageOf(after)}`),
    )
    throw error
  }
  const others = state.config.mounts.filter((each) => each.mountPoint !== wanted.mountPoint)
  if (write) await saveMounts(live, write, [...others, wanted])
  return wanted
}

/**
 * Takes a folder away from the guest; gives it. Throws `config` when it is not mounted, or something is mounted within
 * it; `busy` when something uses it, unless forced.
 */
export async function removeMount(
  live: LiveMounts,
  mountPoint: string,
  { force, save }: { force: boolean; save: boolean },
): Promise<MountSpec> {
  const { state, context } = live
  const mount = state.mounts.find((each) => each.mountPoint === mountPoint)
  if (!mount) throw new TcolimaError('config', `nothing is mounted at ${mountPoint}`)
  refuseOtherTypes(state)
  const inner = state.mounts.find((each) => each.mountPoint.startsWith(`${mountPoint}/`))
  if (inner) throw new TcolimaError('config', `${inner.mountPoint} is mounted within it: remove that first`)
  const write = save ? await settingsWithoutMount(context.paths, mountPoint, context.host.home) : undefined
  await takeAway(live, mount.index, force)
  if (write) {
    const kept = state.config.mounts.filter((each) => each.mountPoint !== mountPoint)
    await saveMounts(live, write, kept)
  }
  const { index: _index, ...spec } = mount
  return spec
}

/** What a guest that has just booted, or whose agent has just come, is told of mounts its seed does not know. Pure. */
export function mountMessages(state: Pick<InstanceState, 'config' | 'mounts' | 'sockets'>): HostMessage[] {
  if (state.config.mountType !== 'sshfs') return []
  const active = new Set(state.mounts.map(({ index }) => index))
  const removed = [...state.sockets.mounts.keys()].filter((index) => !active.has(index))
  return [
    ...removed.map((index) => ({ type: 'unmount', index, force: true }) as const),
    ...state.mounts.map((mount) => messageFor(mount)),
  ]
}

function messageFor({ index, mountPoint, writable }: ActiveMount): HostMessage {
  return mountMessage(index, mountPoint, sshfsOptions({ writable }))
}

/** Gives a mount a serial port; gives the path of its socket. */
async function plugged({ context, machine }: LiveMounts, index: number): Promise<string> {
  const { path } = await prepareSocketPath(context.paths.folder, `mount.${index}.sock`, context.host)
  await removeSocket(path, context.host.platform)
  await plugMount(machine.qmp, index, path)
  return path
}

/** Unmounts in the guest, then takes the port away. Throws `busy` with what uses it; all is as before then. */
async function takeAway(live: LiveMounts, index: number, force: boolean): Promise<void> {
  const { context, machine, state } = live
  const { guest } = machine
  guest.unmounted.delete(index)
  machine.tell({ type: 'unmount', index, force })
  // Not given up with the client: half removed would be worse.
  await guest.wait('the guest did not unmount it', () => guest.unmounted.has(index), guestLimitMs, live.ended)
  const problem = guest.unmounted.get(index) ?? ''
  if (problem !== '') {
    const where = state.mounts.find((each) => each.index === index)?.mountPoint ?? ''
    throw new TcolimaError('busy', `${where} cannot be unmounted: ${problem}`, {
      hint: 'End what uses it, or use --force: it then loses its files.',
    })
  }
  await machine.mounts.remove(index)
  const socket = state.sockets.mounts[index] ?? null
  if (socket !== null) {
    await unplugMount(machine.qmp, index)
    await removeSocket(socket, context.host.platform)
  }
  state.mounts = state.mounts.filter((each) => each.index !== index)
  await writeState(context.paths.state, state)
}

/** Makes it one of the machine's settings too: a later `start` compares them with the file's. */
async function saveMounts({ state, context }: LiveMounts, write: Write, mounts: MountSpec[]): Promise<void> {
  await write()
  state.config.mounts = outerFirst(mounts)
  await writeState(context.paths.state, state)
}

function refuseAddition(state: InstanceState, { mountPoint }: MountSpec): void {
  refuseOtherTypes(state)
  const clash = state.mounts.find((each) => each.mountPoint === mountPoint)
  if (clash)
    throw new TcolimaError('config', `${mountPoint} is the place of another mount, ${clash.location}`)
  // It would be hidden; mounted anew, what is open on it would break.
  const inner = state.mounts.find((each) => each.mountPoint.startsWith(`${mountPoint}/`))
  if (inner) {
    throw new TcolimaError('config', `${inner.mountPoint} is mounted within ${mountPoint}`, {
      hint: 'Remove that first and add it again afterwards, or change `mounts` in tcolima.yaml and restart.',
    })
  }
}

function refuseOtherTypes({ config }: InstanceState): void {
  if (config.mountType === 'sshfs') return
  throw new TcolimaError('config', `mounts of type ${config.mountType} change only at a start`, {
    hint: 'Change `mounts` in tcolima.yaml, then `tcolima restart`.',
  })
}

function freeIndex(mounts: readonly ActiveMount[]): number {
  const taken = new Set(mounts.map(({ index }) => index))
  let index = 0
  while (taken.has(index)) index++
  return index
}

function notMounted({ location }: MountSpec, detail: string): TcolimaError {
  return new TcolimaError('failed', `${location} could not be mounted: ${detail}`)
}
