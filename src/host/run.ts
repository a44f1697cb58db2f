import { existsSync } from 'node:fs'
import { StringDecoder } from 'node:string_decoder'
import type { Readable } from 'node:stream'
import { errnoOf, messageOf, TcolimaError } from './errors.ts'

/** How to run a program. */
export interface RunOptions {
  /** Ends the program and everything it started, then throws `cancelled`. */
  signal?: AbortSignal | undefined
  /** What it reads on standard input; nothing unless told. */
  input?: string | Uint8Array
  /** Variables beside those of this process; undefined takes one away. */
  env?: NodeJS.ProcessEnv
  cwd?: string
  /** Milliseconds it may take; no limit unless told. */
  timeoutMs?: number
  /** Called for each line of output as it comes. */
  onLine?: (line: string, from: 'stdout' | 'stderr') => void
  /** Exit codes that are not a failure; only 0 unless told, `any` for all. */
  allow?: number[] | 'any'
  /**
   * Leaves it the terminal, for a program that asks there (sudo). It then shares the process group, so that only the
   * program itself is ended on abort.
   */
  terminal?: boolean
  /** Ends it with this process, even where that is killed and can do nothing any more; it reads no input then. */
  tied?: boolean
}

/** What a program gave back; the last line break of the output is taken off. */
export interface RunResult {
  stdout: string
  stderr: string
  exitCode: number
}

/** Runs a program like `run`; the type for callers that take it as a parameter. */
export type Run = (cmd: string, args: string[], options?: RunOptions) => Promise<RunResult>

/** Milliseconds between asking a process group to end and making it. */
const graceMs = 2000

// The end of the pipe on its standard input, that only this process holds, is the end of the program.
const tiedScript = `exec 3<&0
"$@" </dev/null 3<&- & program=$!
{ read -r _ <&3; kill $program; } >/dev/null 2>&1 & watch=$!
wait $program; status=$?
kill $watch
exit $status`

/**
 * Runs a program to its end, without a shell; gives its output. It runs in a process group of its own, so a Ctrl-C at
 * the terminal does not reach it: whoever calls turns that into an abort.
 *
 * Throws `failed` with the command, the exit code and the last lines of its errors; `host` when there is no such
 * program; `cancelled` on abort.
 */
export async function run(cmd: string, args: string[], options: RunOptions = {}): Promise<RunResult> {
  const { signal, input, env, cwd, timeoutMs, onLine, allow = [0], terminal = false, tied = false } = options
  if (signal?.aborted) throw cancelled(cmd)
  // Not at the top: `list` and `status` must not pay for it.
  const { execa } = await import('execa')
  const stdin = terminal ? 'inherit' : tied ? 'pipe' : 'ignore'
  const [program, words] = tied ? ['/bin/sh', ['-c', tiedScript, 'sh', cmd, ...args]] : [cmd, args]
  const child = execa(program, words, {
    ...(input === undefined ? { stdin } : { input }),
    ...(env === undefined ? {} : { env }),
    ...(cwd === undefined ? {} : { cwd }),
    detached: !terminal,
    reject: false,
  })
  if (onLine !== undefined) {
    eachLine(child.stdout, (line) => onLine(line, 'stdout'))
    eachLine(child.stderr, (line) => onLine(line, 'stderr'))
  }
  const killer = groupKiller(terminal ? child.pid : negative(child.pid))
  let timedOut = false
  const timer =
    timeoutMs === undefined
      ? undefined
      : setTimeout(() => {
          timedOut = true
          killer.end()
        }, timeoutMs)
  signal?.addEventListener('abort', killer.end, { once: true })
  // A group of its own outlives this process otherwise.
  process.once('exit', killer.end)
  try {
    const result = await child
    if (signal?.aborted) throw cancelled(cmd)
    if (timedOut)
      throw new TcolimaError('failed', `${commandLine(cmd, args)} took longer than ${timeoutMs} ms`)
    const { exitCode } = result
    if (exitCode === undefined && result.signal === undefined) throw notStarted(cmd, cwd, result)
    if (exitCode === undefined || (allow !== 'any' && !allow.includes(exitCode)))
      throw failure(cmd, args, result)
    return { stdout: result.stdout, stderr: result.stderr, exitCode }
  } finally {
    clearTimeout(timer)
    killer.stop()
    signal?.removeEventListener('abort', killer.end)
    process.removeListener('exit', killer.end)
  }
}

/** A command as a user would type it; for messages, never for a shell to run. */
export function commandLine(cmd: string, args: string[]): string {
  return [cmd, ...args]
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`))
    .join(' ')
}

interface Ended {
  exitCode?: number | undefined
  signal?: string | undefined
  stdout: string
  stderr: string
  shortMessage?: string
  cause?: unknown
}

function failure(cmd: string, args: string[], result: Ended): TcolimaError {
  const how =
    result.exitCode === undefined
      ? `was ended by ${result.signal}`
      : `failed with exit code ${result.exitCode}`
  // Some programs explain themselves on standard output.
  const said = (result.stderr.trim() || result.stdout.trim()).split('\n').slice(-10).join('\n')
  return new TcolimaError('failed', `${commandLine(cmd, args)} ${how}${said === '' ? '' : `:\n${said}`}`)
}

function notStarted(cmd: string, cwd: string | undefined, result: Ended): TcolimaError {
  const code = errnoOf(result.cause)
  // A missing folder gives the same error as a missing program.
  if (cwd !== undefined && !existsSync(cwd))
    return new TcolimaError('failed', `cannot run ${cmd}: no folder ${cwd}`)
  if (code === 'ENOENT') {
    return new TcolimaError('host', `the program ${cmd} is not installed`, {
      hint: '`tcolima doctor` shows what is missing and how to install it.',
    })
  }
  const reason = result.cause === undefined ? result.shortMessage : messageOf(result.cause)
  return new TcolimaError(code === 'EACCES' ? 'host' : 'failed', `cannot run ${cmd}: ${reason}`, {
    cause: result.cause,
  })
}

function cancelled(cmd: string): TcolimaError {
  return new TcolimaError('cancelled', `${cmd} was cancelled`)
}

function negative(pid: number | undefined): number | undefined {
  return pid === undefined ? undefined : -pid
}

/** Asks a process (or a group: a negative number) to end, and makes it after a while. */
function groupKiller(target: number | undefined): { end: () => void; stop: () => void } {
  let timer: NodeJS.Timeout | undefined
  const send = (name: 'SIGTERM' | 'SIGKILL') => {
    if (target === undefined) return
    try {
      process.kill(target, name)
    } catch {
      // Gone already; or sudo's, which belongs to root and gets the terminal's Ctrl-C itself.
    }
  }
  return {
    end: () => {
      send('SIGTERM')
      timer ??= setTimeout(() => send('SIGKILL'), graceMs)
    },
    stop: () => {
      clearTimeout(timer)
      // The program itself has ended; what it started and left in the group has nobody to clean up for.
      if (timer !== undefined) send('SIGKILL')
    },
  }
}

function eachLine(stream: Readable, onLine: (line: string) => void): void {
  // A chunk may end within a character or a line.
  const decoder = new StringDecoder('utf8')
  let rest = ''
  stream.on('data', (chunk: Buffer) => {
    const lines = (rest + decoder.write(chunk)).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) onLine(line.replace(/\r$/, ''))
  })
  stream.on('end', () => {
    rest += decoder.end()
    if (rest !== '') onLine(rest)
  })
}
