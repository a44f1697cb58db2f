import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { errnoOf, TcolimaError } from './errors.ts'

/** A process, told apart from a later one that was given the same pid. */
export interface ProcessId {
  pid: number
  /** When it started, in a form that only compares for equality: the same pid and `started` is the same process. */
  started: string
}

/** How `identify` asks the system; a parameter so that the macOS way has a test that runs on Linux. */
export interface ProcessTable {
  platform: string
  /** The text of a file; throws when it cannot be read. */
  readFile: (path: string) => string
  /** What `ps` prints with these arguments; throws when it fails. */
  ps: (args: string[]) => string
}

/** The running system's own process table. */
export const systemProcessTable: ProcessTable = {
  platform: process.platform,
  readFile: (path) => readFileSync(path, 'utf8'),
  // The start time is printed in the local time and language, which another command may not share.
  ps: (args) =>
    // Loaded when it is used: on Linux it never is, and `list` would wait for it.
    process.getBuiltinModule('node:child_process').execFileSync('ps', args, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { ...process.env, LC_ALL: 'C', TZ: 'UTC' },
    }),
}

/** Takes a pid; gives the process that has it now, or undefined when none lives (a zombie does not). Synchronous. */
export function identify(pid: number, table: ProcessTable = systemProcessTable): ProcessId | undefined {
  if (!Number.isSafeInteger(pid) || pid <= 0) return undefined
  const started = table.platform === 'linux' ? startedOnLinux(pid, table) : startedByPs(pid, table)
  return started === undefined ? undefined : { pid, started }
}

/** Whether that very process still lives. Synchronous. */
export function isAlive(id: ProcessId, table: ProcessTable = systemProcessTable): boolean {
  return identify(id.pid, table)?.started === id.started
}

/** How long `terminate` waits, and what ends the wait. */
export interface TerminateOptions {
  /** Milliseconds between SIGTERM and SIGKILL; 10 000 unless told. 0 kills at once. */
  graceMs?: number
  signal?: AbortSignal | undefined
  table?: ProcessTable
}

/**
 * Ends a process: SIGTERM, then SIGKILL when it still lives after the grace time. Never signals another process that
 * took over the pid. Gives back `gone` when there was nothing to end, else how it ended.
 * Throws `cancelled` on abort, `host` when the process belongs to someone else, `failed` when SIGKILL did not help.
 */
export async function terminate(
  id: ProcessId,
  options: TerminateOptions = {},
): Promise<'gone' | 'terminated' | 'killed'> {
  const { graceMs = 10_000, signal, table = systemProcessTable } = options
  throwIfCancelled(signal, id)
  if (!isAlive(id, table)) return 'gone'
  if (graceMs > 0) {
    send(id.pid, 'SIGTERM')
    if (await waitForEnd(id, graceMs, signal, table)) return 'terminated'
  }
  send(id.pid, 'SIGKILL')
  if (await waitForEnd(id, 5000, signal, table)) return 'killed'
  throw new TcolimaError('failed', `process ${id.pid} is still there after SIGKILL`, {
    hint: 'It probably waits for a disk or network file system that does not answer.',
  })
}

/** Waits until the process has ended; gives false when `limitMs` passed first. Throws `cancelled` on abort. */
export async function waitForEnd(
  id: ProcessId,
  limitMs: number,
  signal?: AbortSignal,
  table: ProcessTable = systemProcessTable,
): Promise<boolean> {
  const deadline = performance.now() + limitMs
  // Short waits first: most processes end within milliseconds; asking `ps` on macOS costs more than asking /proc.
  let pause = 5
  while (isAlive(id, table)) {
    const left = deadline - performance.now()
    if (left <= 0) return false
    throwIfCancelled(signal, id)
    await sleep(Math.min(pause, left), undefined, signal ? { signal } : {}).catch(() =>
      throwIfCancelled(signal, id),
    )
    pause = Math.min(pause * 2, 100)
  }
  return true
}

function startedOnLinux(pid: number, table: ProcessTable): string | undefined {
  let stat: string
  try {
    stat = table.readFile(`/proc/${pid}/stat`)
  } catch {
    return undefined
  }
  // The name in parentheses may hold spaces and parentheses itself, so fields count from the last one: state is 3.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [state] = fields
  const ticks = fields[22 - 3]
  if (ticks === undefined || state === 'Z' || state === 'X' || state === 'x') return undefined
  // Ticks count from boot: without the boot id, a process after a reboot could pass for one before it.
  return `${ticks}@${table.readFile('/proc/sys/kernel/random/boot_id').trim()}`
}

function startedByPs(pid: number, table: ProcessTable): string | undefined {
  let line: string
  try {
    line = table.ps(['-o', 'lstart=,stat=', '-p', String(pid)]).trim()
  } catch {
    return undefined
  }
  const match = /^(?<started>.*\S)\s+(?<state>\S+)$/.exec(line)
  const { started, state } = match?.groups ?? {}
  if (started === undefined || state?.startsWith('Z')) return undefined
  return started.replaceAll(/\s+/g, ' ')
}

function send(pid: number, name: 'SIGTERM' | 'SIGKILL'): void {
  try {
    process.kill(pid, name)
  } catch (error) {
    const code = errnoOf(error)
    if (code === 'ESRCH') return
    if (code !== 'EPERM') throw error
    throw new TcolimaError('host', `no permission to end process ${pid}`, {
      hint: `Run the command as the user who owns the process (ps -o user= -p ${pid}).`,
      cause: error,
    })
  }
}

function throwIfCancelled(signal: AbortSignal | undefined, id: ProcessId): void {
  if (signal?.aborted) throw new TcolimaError('cancelled', `gave up waiting for process ${id.pid} to end`)
}
