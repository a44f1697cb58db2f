import { closeSync, openSync, readFileSync, renameSync, writeFileSync, writeSync } from 'node:fs'
import { errnoOf } from '../host/errors.ts'

/** What is kept of one file because the host does not hold it. */
export interface Kept {
  /** User and group in the guest; none: the guest user's. */
  owner?: readonly [uid: number, gid: number] | undefined
  /** The permission bits as the guest set them, and those the host's file got instead. */
  mode?: readonly [seen: number, host: number] | undefined
}

/** Most files something is kept of: bounds the host's memory (about 200 bytes each) whatever a guest does. */
const MAX_FILES = 500_000
/** Lines of the file beyond twice those needed, before it is written anew. */
const SPARE_LINES = 10_000

/**
 * What is kept of files, by a key for each; all of it in memory, and every change at the end of a file before the call
 * returns. That file has a JSON object a line, `{"file":KEY,"owner":[…],"mode":[…]}`, of which the last of a key
 * counts; one with the key alone says that nothing is kept any more. A process that is killed loses nothing that it
 * wrote: a line cut short is passed over, and since every line begins with its line feed it spoils no other. Only one
 * process may have the file open.
 */
export class KeptFiles {
  private readonly entries = new Map<string, Kept>()
  private readonly path: string | undefined
  private readonly limit: number
  private fd: number | undefined
  private lines = 0

  /** Reads the file `path`, which the first change makes; without one, all goes with the process. Throws system errors. */
  constructor(path?: string, limit = MAX_FILES) {
    this.path = path
    this.limit = limit
    if (path === undefined) return
    this.load(path)
    this.compact(path, 0)
  }

  /** How many files something is kept of. */
  get size(): number {
    return this.entries.size
  }

  get(key: string): Kept | undefined {
    return this.entries.get(key)
  }

  /** Keeps `kept` of a file, on disk first. Throws system errors, and when too much is kept; then nothing has changed. */
  set(key: string, kept: Kept): void {
    const before = this.entries.get(key)
    if (before === undefined && this.entries.size >= this.limit) throw new Error('too many owners are kept')
    const text = line(key, kept)
    if (before !== undefined && line(key, before) === text) return
    if (this.path !== undefined) this.compact(this.path, SPARE_LINES)
    this.append(text)
    this.entries.set(key, kept)
  }

  /** Keeps nothing of a file any more. Throws system errors; then nothing has changed. */
  delete(key: string): void {
    if (!this.entries.has(key)) return
    this.append(line(key, {}))
    this.entries.delete(key)
  }

  /** Closes the file; a later change opens it again. */
  close(): void {
    if (this.fd !== undefined) closeSync(this.fd)
    this.fd = undefined
  }

  private load(path: string): void {
    for (const text of textOf(path).split('\n').slice(1)) {
      this.lines++
      const entry = parse(text)
      if (entry === undefined) continue
      if (entry.owner || entry.mode) this.entries.set(entry.file, { owner: entry.owner, mode: entry.mode })
      else this.entries.delete(entry.file)
    }
  }

  private append(text: string): void {
    if (this.path === undefined) return
    this.fd ??= openSync(this.path, 'a', 0o600)
    const bytes = Buffer.from(text)
    for (let at = 0; at < bytes.length; ) at += writeSync(this.fd, bytes, at)
    this.lines++
  }

  /** Writes the file anew when most of it says nothing any more. */
  private compact(path: string, spare: number): void {
    if (this.lines <= 2 * this.entries.size + spare) return
    const text = Array.from(this.entries, ([key, kept]) => line(key, kept)).join('')
    writeFileSync(`${path}.new`, text, { mode: 0o600 })
    renameSync(`${path}.new`, path)
    this.close()
    this.lines = this.entries.size
  }
}

function line(file: string, kept: Kept): string {
  return `\n${JSON.stringify({ file, ...kept })}`
}

/** Takes a line of the file; gives undefined for one that was cut short or is not ours. */
function parse(text: string): (Kept & { file: string }) | undefined {
  try {
    const value = JSON.parse(text) as Kept & { file?: unknown }
    if (typeof value.file !== 'string' || !isPair(value.owner) || !isPair(value.mode)) return undefined
    return { ...value, file: value.file }
  } catch {
    return undefined
  }
}

function isPair(value: unknown): boolean {
  if (value === undefined) return true
  return Array.isArray(value) && value.length === 2 && value.every((part) => Number.isSafeInteger(part))
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return ''
    throw error
  }
}
