import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { TcolimaError } from '../host/errors.ts'
import { identify, isAlive, type ProcessId } from '../host/processes.ts'
import { lastLines } from '../host/text.ts'

/** A QEMU process, ours or one that an earlier agent started. */
export interface QemuProcess {
  id: ProcessId
  /** Resolves with the reason when it has ended; never rejects. */
  ended: Promise<string>
}

/**
 * Starts QEMU so that it outlives this process, with its words in the file `log`. Throws `failed` when it cannot be
 * started at all.
 */
export async function launchQemu(program: string, args: string[], log: string): Promise<QemuProcess> {
  const output = openSync(log, 'w', 0o600)
  const child = spawn(program, args, { detached: true, stdio: ['ignore', output, output] })
  closeSync(output)
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('exit', (code, signal) => resolve(signal ? `ended by ${signal}` : `exit code ${code}`))
  })
  const id = child.pid === undefined ? undefined : identify(child.pid)
  if (id === undefined) {
    throw new TcolimaError('failed', `QEMU did not start: ${await ended}`, {
      log: { path: log, lines: lastLines(log, 12) },
    })
  }
  child.unref()
  return { id, ended }
}

// How long a QEMU that is not our child may be dead before anyone notices; its monitor's end is noticed at once.
const lookMs = 1000

/** Watches a QEMU that another process started, until `signal` aborts. */
export function adoptQemu(id: ProcessId, signal: AbortSignal): QemuProcess {
  const ended = new Promise<string>((resolve) => {
    const timer = setInterval(() => {
      if (isAlive(id)) return
      clearInterval(timer)
      resolve('it ended while no one watched')
    }, lookMs)
    timer.unref()
    signal.addEventListener('abort', () => clearInterval(timer), { once: true })
  })
  return { id, ended }
}
