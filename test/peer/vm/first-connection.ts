import type { ChildProcess } from 'node:child_process'
import { delay } from '../../../src/host/delay.ts'
import { Qmp } from '../../../src/vm/qmp.ts'

/** Connects to the monitor of a QEMU that has just been started, as soon as it is there; throws when QEMU has ended. */
export async function firstConnection(qemu: ChildProcess, socket: string): Promise<Qmp> {
  for (;;) {
    try {
      return await Qmp.connect(socket)
    } catch (error) {
      // The socket is not there yet.
      if (qemu.exitCode !== null) throw error
      await delay(20)
    }
  }
}
