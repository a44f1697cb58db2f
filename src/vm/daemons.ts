import { spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { delay } from '../host/delay.ts'
import { TcolimaError } from '../host/errors.ts'
import { readJson, writeJson } from '../host/files.ts'
import { identify, type ProcessId, terminate } from '../host/processes.ts'
import { lastLines } from '../host/text.ts'

// Milliseconds until a daemon listens: it makes its sandbox first.
const listenLimitMs = 20_000
const lookMs = 20

/** A daemon beside QEMU, and where it stands. */
export interface DaemonSpec {
  /** Program and arguments. */
  command: string[]
  /** The socket it makes; there is none yet. */
  socket: string
  /** File for its words. */
  log: string
}

/**
 * Starts daemons that outlive this process and waits until each listens. Each is written down in the file `record` as
 * soon as it runs, for `endDaemons`. Throws `failed` with the last words of one that ends instead, `cancelled` on abort;
 * those that run are then left to `endDaemons`.
 */
export async function startDaemons(specs: DaemonSpec[], record: string, signal: AbortSignal): Promise<void> {
  const started: ProcessId[] = []
  for (const { command, socket, log } of specs) {
    const [program = '', ...args] = command
    const output = openSync(log, 'w', 0o600)
    const child = spawn(program, args, { detached: true, cwd: '/', stdio: ['ignore', output, output] })
    closeSync(output)
    let ended: string | undefined
    child.once('error', (error) => (ended = error.message))
    child.once('exit', (code, by) => (ended = by ? `ended by ${by}` : `exit code ${code}`))
    const id = child.pid === undefined ? undefined : identify(child.pid)
    child.unref()
    if (id) started.push(id)
    await writeJson(record, started)
    const until = performance.now() + listenLimitMs
    while (!isListening(readFileSync('/proc/net/unix', 'utf8'), socket)) {
      const late =
        performance.now() > until ? `it does not listen within ${listenLimitMs / 1000} s` : undefined
      const reason = ended ?? late
      if (reason !== undefined) {
        throw new TcolimaError('failed', `${program} did not start: ${reason}`, {
          log: { path: log, lines: lastLines(log, 12) },
        })
      }
      await delay(lookMs, signal)
      signal.throwIfAborted()
    }
  }
}

/**
 * Whether a Unix socket at this path listens, by the text of /proc/net/unix (proc(5)): the fourth field holds the flags,
 * of which 00010000 (__SO_ACCEPTCON) says it. A connection to look would be taken for QEMU's. Pure.
 */
export function isListening(table: string, path: string): boolean {
  return table.split('\n').some((line) => line.endsWith(` ${path}`) && line.split(' ')[3] === '00010000')
}

/** Ends the daemons of a record, each only when it is the very process that was written down, and forgets them. */
export async function endDaemons(record: string): Promise<void> {
  const daemons = (readJson(record) ?? []) as ProcessId[]
  await Promise.all(daemons.map((id) => terminate(id, { graceMs: 1000 })))
  await rm(record, { force: true })
}
