import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import { readJson, writeJson } from '../host/files.ts'

/** A guest image that is whole, with the paths of its parts. */
export interface Image {
  digest: string
  /** ext4 file system, raw: the shared, read-only base of every instance's root disk. */
  root: string
  kernel: string
  initrd: string
  /** SHA-256 of `root`: two builds of one recipe are not the same to a disk that lies over one of them. */
  sha256: string
  /** Names of users and groups in the image, which no guest user may take. */
  names: string[]
}

const parts = ['root.img', 'kernel', 'initrd'] as const
type Part = (typeof parts)[number]

interface PartRecord {
  size: number
  mtimeMs: number
  sha256: string
}

interface ImageRecord {
  version: 1
  digest: string
  names: string[]
  parts: Record<Part, PartRecord>
}

const recordFile = 'image.json'

/** The folder of the image with this digest. */
export function imageFolder(imagesFolder: string, digest: string): string {
  return path.join(imagesFolder, digest)
}

/**
 * Finds the image with this digest. Gives undefined when there is none, or when a part of it is not what was built:
 * sizes and times are compared each time, the content where one of them differs.
 */
export async function findImage(imagesFolder: string, digest: string): Promise<Image | undefined> {
  const folder = imageFolder(imagesFolder, digest)
  const record = readRecord(folder)
  if (record === undefined) return undefined
  let touched = false
  for (const part of parts) {
    const verdict = await comparePart(path.join(folder, part), record.parts[part])
    if (verdict === undefined) return undefined
    touched ||= verdict === 'touched'
  }
  // The same content with another time (a copied home): remember it, so that the next start does not read it all again.
  if (touched) await recordImage(folder, digest, record.names)
  return {
    digest,
    root: path.join(folder, 'root.img'),
    sha256: record.parts['root.img'].sha256,
    kernel: path.join(folder, 'kernel'),
    initrd: path.join(folder, 'initrd'),
    names: record.names,
  }
}

/** Writes the record of the parts in `folder`, which makes them an image. Reads all of them for their digests. */
export async function recordImage(folder: string, digest: string, names: string[]): Promise<void> {
  const entries = await Promise.all(
    parts.map(async (part) => [part, await recordPart(path.join(folder, part))]),
  )
  const record: ImageRecord = { version: 1, digest, names, parts: Object.fromEntries(entries) }
  await writeJson(path.join(folder, recordFile), record, 0o644)
}

function readRecord(folder: string): ImageRecord | undefined {
  try {
    const record = readJson(path.join(folder, recordFile)) as ImageRecord | undefined
    return record?.version === 1 && parts.every((part) => record.parts[part]) ? record : undefined
  } catch {
    // A record that cannot be read is no record: the image is built again.
    return undefined
  }
}

async function comparePart(file: string, wanted: PartRecord): Promise<'same' | 'touched' | undefined> {
  const found = await stat(file).catch(() => undefined)
  if (found?.size !== wanted.size) return undefined
  if (found.mtimeMs === wanted.mtimeMs) return 'same'
  return (await sha256(file)) === wanted.sha256 ? 'touched' : undefined
}

async function recordPart(file: string): Promise<PartRecord> {
  const { size, mtimeMs } = await stat(file)
  return { size, mtimeMs, sha256: await sha256(file) }
}

async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(file, { highWaterMark: 1 << 20 }), hash)
  return hash.digest('hex')
}
