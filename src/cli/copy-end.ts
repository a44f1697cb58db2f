import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { PassThrough, type Readable, type Writable } from 'node:stream'
import { finished, pipeline } from 'node:stream/promises'
import { text } from 'node:stream/consumers'
import { TcolimaError } from '../host/errors.ts'
import type { CommandContext } from './command.ts'
import type { Script } from './copy-scripts.ts'
import { runInGuest } from './guest-run.ts'

/** One end of a copy. */
export interface CopyEnd {
  /** How errors call it. */
  name: string
  /** Runs a script there with these streams. Throws `failed` with what it said. */
  run: (script: Script, streams: { input?: Readable; output?: Writable }) => Promise<void>
}

/** This computer. */
export function hostEnd(cwd: string | undefined, signal: AbortSignal): CopyEnd {
  const name = 'this computer'
  return {
    name,
    run: async ([script, ...args], { input, output }) => {
      const child = spawn('sh', ['-c', script, 'sh', ...args], {
        stdio: 'pipe',
        ...(cwd === undefined ? {} : { cwd }),
        signal,
      })
      const said = text(child.stderr)
      const closed = once(child, 'close') as Promise<[number | null]>
      closed.catch(() => undefined)
      // What it says tells more than that it does not take the rest.
      child.stdin.on('error', () => undefined)
      if (input) {
        input.pipe(child.stdin)
        input.once('close', () => {
          if (input.readableEnded) return
          // A part must not pass for the whole: told first, the script stops where its tar ends.
          child.kill()
          child.stdin.destroy()
        })
      } else child.stdin.end()
      if (output) await pipeline(child.stdout, output).catch(() => undefined)
      else child.stdout.resume()
      const [code] = await closed
      if (code !== 0) throw failed(name, await said)
    },
  }
}

/** The guest of a profile. */
export function guestEnd(context: CommandContext, profile: string, signal: AbortSignal): CopyEnd {
  const name = `the guest ${profile}`
  return {
    name,
    run: async ([script, ...args], { input, output }) => {
      let said = ''
      const code = await runInGuest({ ...context, profile }, ['sh', '-c', script, 'sh', ...args], {
        ...(input ? { input } : {}),
        ...(output ? { output } : {}),
        errors: (part) => (said += part),
        signal,
      })
      if (code !== 0) throw failed(name, said)
      if (!output) return
      output.end()
      await finished(output).catch(() => undefined)
    },
  }
}

/** What a script prints at one end. */
export async function printedAt(end: CopyEnd, script: Script): Promise<string> {
  const output = new PassThrough()
  const [printed] = await Promise.all([text(output), end.run(script, { output })])
  return printed.trim()
}

function failed(name: string, said: string): TcolimaError {
  const lines = said.trim().split('\n').slice(-5).join('\n')
  return new TcolimaError('failed', `${name}: ${lines === '' ? 'the copy failed' : lines}`)
}
