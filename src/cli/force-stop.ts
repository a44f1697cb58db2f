import { readLock } from '../host/lock.ts'
import { isAlive, terminate } from '../host/processes.ts'
import type { InstancePaths } from '../instance/paths.ts'
import { readState, writeState } from '../instance/state.ts'
import { endDaemons } from '../vm/daemons.ts'

// Milliseconds an agent has to let go by itself.
const graceMs = 2000

/**
 * Ends the processes of an instance from outside: an agent that does not do what it is told, then QEMU, each only when it
 * is the very process that was written down. Then nothing counts as running.
 */
export async function forceStop(paths: InstancePaths): Promise<void> {
  const holder = readLock(paths.lock)
  // Another command that holds the instance is not ours to end.
  if (holder?.purpose === 'agent') await terminate(holder.owner, { graceMs })
  const state = readState(paths.state)
  if (state && isAlive(state.qemu)) await terminate(state.qemu, { graceMs: 0 })
  await endDaemons(paths.daemons)
  if (state?.ready) await writeState(paths.state, { ...state, ready: false })
}
