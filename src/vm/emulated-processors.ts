import os from 'node:os'
import type { Qmp } from './qmp.ts'

// Below what programs usually have, above what is meant for the background alone.
const niceness = 10

/**
 * Lets the threads that emulate a machine's processors come after all else that wants the host's: they take whatever they
 * get, while QEMU's own loop, the agent and the user's programs have little to do, at once. Linux only, where a thread has a
 * priority of its own (setpriority(2)); harmless when it fails.
 */
export async function emulatedProcessorsLast(qmp: Qmp): Promise<void> {
  // QEMU's QMP reference, query-cpus-fast: the host's id of each processor's thread.
  const processors = (await qmp.execute('query-cpus-fast')) as { 'thread-id': number }[]
  for (const thread of new Set(processors.map((each) => each['thread-id']))) {
    try {
      os.setPriority(thread, niceness)
    } catch {
      // A processor without it is as fast as before.
    }
  }
}
