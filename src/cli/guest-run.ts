import { PassThrough, type Readable, type Writable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { openExec } from '../agent/client.ts'
import { encodeFrame, FrameReader, frameKind, longestFrame } from '../agent/frames.ts'
import { ensureAgent } from '../agent/spawn.ts'
import { TcolimaError } from '../host/errors.ts'
import { instancePaths } from '../instance/paths.ts'
import type { CommandContext } from './command.ts'
import type { ExecEnd } from './exec.ts'

/** Where a command in the guest reads and writes; without one, there is nothing to read, and what it writes is dropped. */
export interface GuestStreams {
  input?: Readable
  output?: Writable
  errors?: (text: string) => void
  /** Ends the command, and the wait for it. */
  signal?: AbortSignal
}

/**
 * Runs a command in the guest, from the user's home there, with streams of this process's own; gives its exit code, 128
 * and more for a signal. Throws `failed` when the connection is lost, `cancelled` on abort, and like `ensureAgent`.
 */
export async function runInGuest(
  { home, profile, host }: Pick<CommandContext, 'home' | 'profile' | 'host'>,
  command: string[],
  streams: GuestStreams = {},
): Promise<number> {
  const agent = await ensureAgent(home, instancePaths(home, profile), host, streams.signal)
  const { socket, head } = await openExec(agent, { command })
  const { input, output, errors, signal } = streams
  const abort = () => socket.destroy()
  signal?.addEventListener('abort', abort, { once: true })
  const frames = new FrameReader()
  const sendInput = async () => {
    for await (const chunk of input ?? []) {
      const bytes = chunk as Buffer
      for (let at = 0; at < bytes.length; at += longestFrame) {
        // Its close has been told: it will not be again. What gives the input is let go.
        if (socket.destroyed) return
        if (socket.write(encodeFrame(frameKind.input, bytes.subarray(at, at + longestFrame)))) continue
        await new Promise<void>((resolve) => {
          const go = () => {
            socket.off('drain', go).off('close', go)
            resolve()
          }
          socket.on('drain', go).on('close', go)
        })
      }
    }
    if (socket.writable) socket.write(encodeFrame(frameKind.inputEnd))
  }
  try {
    const end = await new Promise<ExecEnd>((resolve, reject) => {
      const take = (chunk: Buffer) => {
        for (const { kind, body } of frames.push(chunk)) {
          if (kind === frameKind.output && output && !output.write(body)) {
            socket.pause()
            output.once('drain', () => socket.resume())
          } else if (kind === frameKind.errors) errors?.(body.toString())
          else if (kind === frameKind.exit) resolve(JSON.parse(body.toString()) as ExecEnd)
        }
      }
      socket.on('data', take)
      socket.on('close', () => reject(new TcolimaError('failed', 'the connection to the guest was lost')))
      output?.once('error', reject)
      output?.once('close', () => socket.resume())
      take(head)
      socket.resume()
      sendInput().catch(reject)
    })
    return 'code' in end ? end.code : 128
  } catch (error) {
    throw signal?.aborted ? new TcolimaError('cancelled', 'interrupted') : error
  } finally {
    signal?.removeEventListener('abort', abort)
    socket.destroy()
  }
}

/** What a command in the guest prints. Throws `failed` with its last words, and like `runInGuest`. */
export async function guestText(
  context: Pick<CommandContext, 'home' | 'profile' | 'host'>,
  command: string[],
  { signal, hint }: { signal?: AbortSignal; hint?: string } = {},
): Promise<string> {
  const output = new PassThrough()
  const printed = text(output)
  let errors = ''
  const code = await runInGuest(context, command, {
    output,
    errors: (part) => (errors += part),
    ...(signal ? { signal } : {}),
  })
  output.end()
  const said = await printed
  if (code === 0) return said
  const last = (errors.trim() || said.trim()).split('\n').slice(-5).join('\n')
  throw new TcolimaError('failed', `${command.join(' ')} failed in the guest:\n${last}`, { hint })
}
