import { createHash, type Hash } from 'node:crypto'
import { createReadStream, createWriteStream, existsSync } from 'node:fs'
import { open } from 'node:fs/promises'
import path from 'node:path'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { errnoOf, messageOf, TcolimaError } from '../host/errors.ts'
import { freeSpace } from '../host/files.ts'
import type { StoreOptions } from './store.ts'

// Milliseconds between two words about how far it is.
const noteMs = 500
const longestText = 2 ** 20
const MiB = 2 ** 20

/**
 * Downloads a file of the source into a part file, from where that ends already. Gives the digest of all of it, and
 * whether an earlier part was used; undefined when the source has no such file. What has come stays when it throws.
 */
export async function download(
  name: string,
  part: string,
  options: StoreOptions,
): Promise<{ sha256: string; resumed: boolean } | undefined> {
  const { source, env, signal, note } = options
  const hash = createHash('sha256')
  const before = existsSync(part) ? await hashFile(part, hash) : 0
  const opened = await source.open(name, { from: before, env, signal })
  if (!opened) return undefined
  const { stream, from, size } = opened
  const sum = from === before ? hash : createHash('sha256')
  try {
    await requireSpace(part, size === undefined ? 0 : size - from)
    let come = from
    let told = 0
    const counted = new Transform({
      transform(bytes: Buffer, _encoding, done) {
        sum.update(bytes)
        come += bytes.length
        if (performance.now() - told > noteMs) {
          told = performance.now()
          note(`${Math.floor(come / MiB)}${size === undefined ? '' : ` of ${Math.ceil(size / MiB)}`} MiB`)
        }
        done(null, bytes)
      },
    })
    const sink = createWriteStream(part, { flags: from > 0 ? 'a' : 'w', mode: 0o644 })
    await pipeline(stream, counted, sink, signal ? { signal } : {})
    if (size !== undefined && come !== size) throw new Error(`it ended after ${come} of ${size} bytes`)
    await synced(part)
  } catch (error) {
    stream.destroy()
    throw explained(error, name, source.name, signal)
  }
  return { sha256: sum.digest('hex'), resumed: from > 0 }
}

/** A short file of the source as a whole; undefined when there is none. Throws `failed` for one of more than 1 MiB. */
export async function bytesOf(
  name: string,
  { source, env, signal }: Pick<StoreOptions, 'source' | 'env' | 'signal'>,
): Promise<Buffer | undefined> {
  const opened = await source.open(name, { from: 0, env, signal })
  if (!opened) return undefined
  const parts: Buffer[] = []
  let length = 0
  try {
    for await (const bytes of opened.stream as AsyncIterable<Buffer>) {
      length += bytes.length
      if (length > longestText) throw new Error('it is longer than 1 MiB')
      parts.push(bytes)
    }
    if (opened.size !== undefined && opened.size !== length) throw new Error(`it ended after ${length} bytes`)
  } catch (error) {
    opened.stream.destroy()
    throw explained(error, name, source.name, signal)
  }
  return Buffer.concat(parts)
}

/** The digest of bytes, in hexadecimal digits. */
export function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** The digest of a file, in hexadecimal digits. */
export async function sha256OfFile(file: string): Promise<string> {
  const hash = createHash('sha256')
  await hashFile(file, hash)
  return hash.digest('hex')
}

/** Gives how many bytes the file has. */
async function hashFile(file: string, hash: Hash): Promise<number> {
  let length = 0
  for await (const bytes of createReadStream(file, { highWaterMark: MiB }) as AsyncIterable<Buffer>) {
    hash.update(bytes)
    length += bytes.length
  }
  return length
}

async function requireSpace(part: string, needed: number): Promise<void> {
  const free = await freeSpace(path.dirname(part))
  if (needed <= free) return
  const inMiB = (bytes: number) => `${Math.ceil(bytes / MiB)} MiB`
  throw new TcolimaError('host', `${part} needs ${inMiB(needed)} more, and ${inMiB(free)} are free`, {
    hint: 'Free some space, or set TCOLIMA_HOME to a folder on a larger disk.',
  })
}

async function synced(file: string): Promise<void> {
  const handle = await open(file, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function explained(
  error: unknown,
  name: string,
  source: string,
  signal: AbortSignal | undefined,
): TcolimaError {
  if (error instanceof TcolimaError) return error
  if (signal?.aborted) return new TcolimaError('cancelled', 'the download was cancelled', { cause: error })
  const full = errnoOf(error) === 'ENOSPC' || errnoOf(error) === 'EDQUOT'
  return new TcolimaError(full ? 'host' : 'failed', `${name} from ${source}: ${messageOf(error)}`, {
    hint: full ? 'Free some space and try again.' : 'Run the same command again: it goes on from here.',
    cause: error,
  })
}
