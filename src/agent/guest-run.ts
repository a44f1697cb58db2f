import { createReadStream } from 'node:fs'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ClientChannel } from 'ssh2'
import { shellQuote } from '../guest/quote.ts'
import { TcolimaError } from '../host/errors.ts'
import { printable } from '../host/text.ts'

/** How to run a program in the guest. */
export interface GuestRunOptions {
  signal: AbortSignal
  /** Milliseconds it may take. */
  limitMs: number
  /** What it reads: text, or a file of the host. */
  input?: string | { file: string; onBytes?: (count: number) => void }
}

// Characters of its errors that are kept.
const mostSaid = 4000

/**
 * Runs a program in the guest as root; gives its output. Throws `failed` with what it said when it ends otherwise than well or
 * takes too long, `cancelled` on abort.
 */
export async function runInGuest(
  exec: (command: string) => Promise<ClientChannel>,
  words: readonly string[],
  { signal, limitMs, input = '' }: GuestRunOptions,
): Promise<string> {
  signal.throwIfAborted()
  const channel = await exec(`exec sudo ${words.map(shellQuote).join(' ')}`)
  const stop = AbortSignal.any([signal, AbortSignal.timeout(limitMs)])
  const close = () => channel.close()
  stop.addEventListener('abort', close, { once: true })
  try {
    let output = ''
    let said = ''
    channel.on('data', (bytes: Buffer) => (output += bytes.toString()))
    channel.stderr.on('data', (bytes: Buffer) => (said = (said + bytes.toString()).slice(-mostSaid)))
    const ended = new Promise<number | undefined>((resolve) => {
      let status: number | undefined
      channel.on('exit', (code: number | null) => (status = code ?? undefined))
      channel.on('close', () => resolve(status))
    })
    // A program that ends without reading all says why itself.
    await feed(channel, input).catch(() => channel.end())
    const status = await ended
    signal.throwIfAborted()
    if (status === 0) return output
    const why = stop.aborted ? `did not end within ${limitMs / 1000} s` : `ended with status ${status ?? '?'}`
    const last = printable(said.trim())
    throw new TcolimaError(
      'failed',
      `${words.slice(0, 2).join(' ')} in the guest ${why}${last && `: ${last}`}`,
    )
  } finally {
    stop.removeEventListener('abort', close)
  }
}

async function feed(channel: ClientChannel, input: NonNullable<GuestRunOptions['input']>): Promise<void> {
  if (typeof input === 'string') {
    channel.end(input)
    return
  }
  const { file, onBytes } = input
  const stream = createReadStream(file, { highWaterMark: 256 * 1024 })
  let count = 0
  const counted = async function* (bytes: AsyncIterable<Buffer>) {
    for await (const each of bytes) {
      count += each.length
      onBytes?.(count)
      yield each
    }
  }
  await pipeline(Readable.from(counted(stream)), channel)
}
