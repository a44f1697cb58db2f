import type { MountStatus, PortStatus } from '../agent/api.ts'
import { callAgent } from '../agent/client.ts'
import { agentSocket } from '../agent/spawn.ts'
import { delay } from '../host/delay.ts'
import { TcolimaError } from '../host/errors.ts'
import type { Host } from '../host/platform.ts'
import { instancePaths } from '../instance/paths.ts'
import { type InstanceView, listInstances } from '../instance/view.ts'

/** Something that happened to a machine; what there is when the watch begins comes first, in the same form. */
export type MachineEvent = { name: string } & (
  | { type: 'machine'; action: 'running' | 'starting' | 'stopped' | 'broken' | 'deleted' }
  | { type: 'mount'; action: MountStatus['state'] | 'removed'; mount: MountStatus }
  | { type: 'port'; action: 'added' | 'changed' | 'removed'; port: PortStatus }
)

/** What is watched: one machine or all, until the signal. */
export interface EventsInput {
  home: string
  host: Host
  only: string | undefined
  tell: (event: MachineEvent) => void
  signal: AbortSignal
}

// Milliseconds between two looks at the machines, and at the mounts of one; ports are told by its agent.
const lookMs = 500
const mountsMs = 1000
const answerLimitMs = 3000

/** Tells what happens to machines, also to those that are made meanwhile; ends with the signal, as `cancelled`. */
export async function watchEvents(input: EventsInput): Promise<never> {
  const { home, only, tell, signal } = input
  let known = new Map<string, InstanceView['status']>()
  const watched = new Map<string, AbortController>()
  try {
    for (;;) {
      const views = listInstances(home).filter(({ name }) => only === undefined || name === only)
      const now = new Map(views.map(({ name, status }) => [name, status]))
      for (const event of machineEvents(known, now)) tell(event)
      for (const [name, watch] of watched) {
        if (now.get(name) === 'Running') continue
        watch.abort()
        watched.delete(name)
      }
      for (const [name, status] of now) {
        if (status !== 'Running' || watched.has(name)) continue
        const stop = new AbortController()
        watched.set(name, stop)
        void watchMachine(input, name, AbortSignal.any([signal, stop.signal]))
      }
      known = now
      await delay(lookMs, signal)
      if (signal.aborted) throw new TcolimaError('cancelled', 'interrupted')
    }
  } finally {
    for (const watch of watched.values()) watch.abort()
  }
}

/** What became of the machines. Pure. */
export function machineEvents(
  before: ReadonlyMap<string, InstanceView['status']>,
  now: ReadonlyMap<string, InstanceView['status']>,
): MachineEvent[] {
  const gone = [...before.keys()].filter((name) => !now.has(name))
  const changed = [...now].filter(([name, status]) => before.get(name) !== status)
  return [
    ...gone.map((name): MachineEvent => ({ name, type: 'machine', action: 'deleted' })),
    ...changed.map(
      ([name, status]): MachineEvent => ({
        name,
        type: 'machine',
        action: status.toLowerCase() as Lowercase<typeof status>,
      }),
    ),
  ]
}

/** What became of the mounts. Pure. */
export function mountEvents(
  name: string,
  before: readonly MountStatus[],
  now: readonly MountStatus[],
): MachineEvent[] {
  const byPlace = (mounts: readonly MountStatus[]) =>
    new Map(mounts.map((mount) => [mount.mountPoint, mount]))
  const [old, there] = [byPlace(before), byPlace(now)]
  const gone = before.filter(({ mountPoint }) => !there.has(mountPoint))
  const changed = now.filter(({ mountPoint, state, location }) => {
    const mount = old.get(mountPoint)
    return mount?.state !== state || mount.location !== location
  })
  return [
    ...gone.map((mount): MachineEvent => ({ name, type: 'mount', action: 'removed', mount })),
    ...changed.map((mount): MachineEvent => ({ name, type: 'mount', action: mount.state, mount })),
  ]
}

/** Tells the mounts and ports of a running machine, until the signal; an agent that goes away is asked again. */
async function watchMachine({ home, host, tell }: EventsInput, name: string, signal: AbortSignal) {
  const socket = agentSocket(instancePaths(home, name), host)
  const ports = async () => {
    while (!signal.aborted) {
      await callAgent(
        socket,
        'watchPorts',
        {},
        {
          signal,
          onChange: ({ type, port }) => tell({ name, type: 'port', action: type, port }),
        },
      ).catch(() => undefined)
      await delay(mountsMs, signal)
    }
  }
  const mounts = async () => {
    let known: MountStatus[] = []
    while (!signal.aborted) {
      const status = await callAgent(socket, 'status', {}, { signal, limitMs: answerLimitMs }).catch(
        () => undefined,
      )
      if (signal.aborted) return
      if (status) {
        for (const event of mountEvents(name, known, status.mounts)) tell(event)
        known = status.mounts
      }
      await delay(mountsMs, signal)
    }
  }
  await Promise.all([ports(), mounts()])
}
