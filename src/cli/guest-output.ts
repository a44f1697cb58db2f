import type { Readable } from 'node:stream'
import { openExec } from '../agent/client.ts'
import { encodeFrame, FrameReader, frameKind, longestFrame } from '../agent/frames.ts'
import { ensureAgent } from '../agent/spawn.ts'
import { TcolimaError } from '../host/errors.ts'
import { instancePaths } from '../instance/paths.ts'
import type { CommandContext } from './command.ts'
import type { ExecEnd } from './exec.ts'

/** How a command in the guest ended, and the end of what it said. */
export interface GuestOutput {
  ok: boolean
  /** Both of its streams. */
  text: string
}

// Characters that are kept of the end.
const kept = 4096

/**
 * Runs a command in the guest away from this process's streams, with `input` on its own. Throws `failed` when the connection
 * is lost or the input cannot be read, `cancelled` on abort.
 */
export async function guestOutput(
  { home, profile, host }: CommandContext,
  command: string[],
  { input, signal }: { input?: Readable; signal?: AbortSignal } = {},
): Promise<GuestOutput> {
  const { socket, head } = await openExec(await ensureAgent(home, instancePaths(home, profile), host), {
    command,
  })
  const frames = new FrameReader()
  let text = ''
  try {
    return await new Promise<GuestOutput>((resolve, reject) => {
      const take = (chunk: Buffer) => {
        for (const { kind, body } of frames.push(chunk)) {
          if (kind === frameKind.exit) {
            const end = JSON.parse(body.toString()) as ExecEnd
            resolve({ ok: 'code' in end && end.code === 0, text })
          } else text = (text + body.toString()).slice(-kept)
        }
      }
      socket.on('data', take)
      socket.on('close', () => reject(new TcolimaError('failed', 'the connection to the guest was lost')))
      signal?.addEventListener('abort', () => reject(TcolimaError.from(signal.reason)), { once: true })
      if (input) {
        input.on('data', (chunk: Buffer) => {
          for (let at = 0; at < chunk.length; at += longestFrame) {
            if (socket.write(encodeFrame(frameKind.input, chunk.subarray(at, at + longestFrame)))) continue
            input.pause()
            socket.once('drain', () => input.resume())
          }
        })
        input.on('end', () => socket.write(encodeFrame(frameKind.inputEnd)))
        input.on('error', (error) => reject(TcolimaError.from(error)))
      } else socket.write(encodeFrame(frameKind.inputEnd))
      take(head)
      socket.resume()
    })
  } finally {
    input?.destroy()
    socket.destroy()
  }
}
