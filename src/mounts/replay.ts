import { closeSync, constants, openSync, promises as fs, readFileSync, writeSync } from 'node:fs'
import { errnoOf } from '../host/errors.ts'
import type { FileAttrs } from './codec-attrs.ts'
import { attrsReply, handleReply, statusReply } from './codec-replies.ts'
import type { Request } from './codec-requests.ts'
import { fstat } from './ops-attrs.ts'
import { openRegular } from './ops-files.ts'
import { Fx, Fxf } from './protocol.ts'
import type { Share } from './share.ts'
import { bytesOf, cleanPath, nameOf } from './share-path.ts'
import { failure } from './status.ts'

// Marks of a replayed request, which no program sends by chance; the guest's script has the same ones
// (guest/rootfs/usr/lib/tcolima/replay). A request that carries one never changes a file, whether or not anything is
// expected: after a crash of either side, too, a late one does no harm.
/** A size no file system of the host takes. */
export const REPLAY_SIZE = 5_124_095_575_358_465
/** Access and modification time, in seconds: 2105. */
export const REPLAY_TIMES = { atime: 4_275_862_529, mtime: 4_275_862_530 }
/** Permission bits of a new file or folder. */
export const REPLAY_MODE = 0o1521
/** Where a new link points. */
export const REPLAY_TARGET = 'tcolima:replay'

/** One step of a replay. Paths are the client's: byte strings, the share is `/`. */
export type ReplayStep =
  | { act: 'create' | 'mkdir' | 'symlink' | 'modify' | 'attributes'; path: string }
  | { act: 'remove' | 'rmdir'; path: string; type: EntryType }
  | { act: 'rename'; from: string; to: string; type: EntryType }

/** What a name stands for. */
export type EntryType = 'file' | 'folder' | 'link'

/** A path of a step that is under way, and what the client has to believe until its request comes. */
type Belief =
  /** Not there yet, whatever the host says. */
  | { kind: 'hidden' }
  /** Still there, though the host has it no more; `to` is where a rename takes it. */
  | { kind: 'ghost'; type: EntryType; to?: string }
  /** About to be replaced by a rename: the host has the new one already. */
  | { kind: 'replaced' }
  /** Nothing but that the client touches it. */
  | { kind: 'touched' }

/**
 * Lets the guest's kernel see what already happened on the host, without doing it again. While a batch of steps is
 * expected, a new file is hidden until the guest creates it and a removed one is shown until the guest removes it, and
 * those requests are answered and not done. The host always wins: what is there now is never removed or replaced.
 *
 * Requests that cannot carry a mark (REMOVE, RMDIR, RENAME) are known by their path alone. These paths are kept in a
 * file too, so that an agent that comes after a killed one knows those of a replay that may still be under way.
 */
export class Replays {
  readonly #beliefs = new Map<string, Belief>()
  /** From a batch of an earlier agent: paths that must not be removed or renamed for a replay's sake. */
  readonly #leftover = new Map<string, Belief>()
  /** Names that the client gave to files it has open when they were removed or replaced: handles of those files. */
  readonly #aside = new Map<string, string>()
  readonly #file: string | undefined
  #begin: () => void = () => {}
  #begun = 0

  /** Takes the file to keep expected paths in; without one nothing outlives the process. */
  constructor(file?: string) {
    this.#file = file
    if (file === undefined) return
    for (const step of readSteps(file))
      for (const [path, belief] of beliefsOf(step)) this.#leftover.set(path, belief)
  }

  /** Whether anything is left of an earlier agent's replay. */
  get leftover(): boolean {
    return this.#leftover.size > 0
  }

  /** Whether the client is to believe anything that the host's files do not say. */
  get expecting(): boolean {
    return this.#beliefs.size > 0 || this.#leftover.size > 0 || this.#aside.size > 0
  }

  /** How often steps began to be expected. */
  get begun(): number {
    return this.#begun
  }

  /** Takes what to call when steps begin to be expected: what the client was told ahead counts no more. */
  listen(begin: () => void): void {
    this.#begin = begin
  }

  /** Expects the requests of these steps from now on. No path may occur twice in them. */
  expect(steps: readonly ReplayStep[]): void {
    if (this.#file !== undefined) {
      const kept = steps.filter(({ act }) => act === 'remove' || act === 'rmdir' || act === 'rename')
      if (kept.length > 0) writeSteps(this.#file, kept)
    }
    for (const step of steps) for (const [path, belief] of beliefsOf(step)) this.#beliefs.set(path, belief)
    this.#begun++
    this.#begin()
  }

  /** Expects nothing more: all requests of the last steps, and of any agent before, have come. */
  settle(): void {
    this.#beliefs.clear()
    this.#leftover.clear()
    if (this.#file !== undefined) writeSteps(this.#file, [])
  }

  /**
   * The client does not do the last steps in time: nothing is hidden or shown any more, but a request of theirs that
   * comes late is still known, until steps after them are settled.
   */
  abandon(): void {
    for (const [path, belief] of this.#beliefs) this.#leftover.set(path, belief)
    this.#beliefs.clear()
  }

  /** The reply to a request that belongs to a replay, or undefined for any other. Throws as operations do. */
  async answer(share: Share, request: Request): Promise<Buffer | undefined> {
    switch (request.kind) {
      case 'setstat':
      case 'fsetstat':
        return isMarked(request.attrs) ? ok(request.id) : undefined
      case 'open':
        return await this.#open(share, request)
      case 'mkdir':
        if (!isNewMark(request.attrs)) return undefined
        return await this.#appear(share, request)
      case 'symlink':
        if (request.target !== REPLAY_TARGET) return undefined
        return await this.#appear(share, request)
      default:
        break
    }
    if (!this.expecting) return undefined
    switch (request.kind) {
      case 'lstat':
      case 'stat':
        return await this.#look(share, request)
      case 'remove':
      case 'rmdir':
        return await this.#vanish(share, request.id, cleanPath(request.path))
      case 'rename':
      case 'posix-rename':
        return await this.#move(share, request)
      default:
        return undefined
    }
  }

  async #open(share: Share, request: Extract<Request, { kind: 'open' }>): Promise<Buffer | undefined> {
    const path = cleanPath(request.path)
    const created = Fxf.CREAT | Fxf.EXCL
    if (isNewMark(request.attrs) && (request.pflags & created) === created) {
      this.#beliefs.delete(path)
    } else if (share.writable || this.#beliefs.get(path)?.kind !== 'touched') {
      return undefined
    }
    // Also where the share is read-only: the guest's kernel wants a handle for writing, and nothing can be written by it.
    const place = await share.paths.place(request.path)
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY
    return handleReply(request.id, await share.handles.add(request, () => openRegular(place, flags)))
  }

  /** A folder or link that is there already. */
  async #appear(share: Share, request: { id: number; path: string }): Promise<Buffer> {
    this.#beliefs.delete(cleanPath(request.path))
    await fs.lstat(bytesOf(await share.paths.place(request.path)))
    return ok(request.id)
  }

  async #look(share: Share, request: { id: number; path: string }): Promise<Buffer | undefined> {
    const path = cleanPath(request.path)
    const aside = this.#aside.get(path)
    if (aside !== undefined) return await fstat(share, { id: request.id, handle: aside })
    const belief = this.#beliefs.get(path)
    if (belief?.kind === 'hidden') return statusReply(request.id, Fx.NO_SUCH_FILE, 'not yet')
    if (belief?.kind !== 'ghost' || (await isThere(share, request.path))) return undefined
    return attrsReply(request.id, ghostAttrs(belief.type))
  }

  async #vanish(share: Share, id: number, path: string): Promise<Buffer | undefined> {
    if (this.#aside.delete(path)) return ok(id)
    const belief = this.#beliefs.get(path) ?? this.#leftover.get(path)
    if (belief?.kind !== 'ghost') return undefined
    this.#beliefs.delete(path)
    // Made anew meanwhile: it is not for a replay to remove it.
    if (await isThere(share, path)) throw failure('made anew on the host')
    return ok(id)
  }

  async #move(
    share: Share,
    { id, from: givenFrom, to: givenTo }: { id: number; from: string; to: string },
  ): Promise<Buffer | undefined> {
    const from = cleanPath(givenFrom)
    const to = cleanPath(givenTo)
    const belief = this.#beliefs.get(from) ?? this.#leftover.get(from)
    if (belief?.kind !== 'ghost' && belief?.kind !== 'replaced') return undefined
    // libfuse (lib/fuse.c, hide_node) renames a file that is open in the guest before it is removed or replaced.
    const hides = nameOf(to).startsWith('.fuse_hidden')
    if (!hides && (belief.kind !== 'ghost' || belief.to !== to)) return undefined
    if (belief.kind === 'ghost') {
      this.#beliefs.delete(from)
      if (!hides) this.#beliefs.delete(to)
      if (await isThere(share, from)) throw failure('made anew on the host')
    }
    const handle = hides ? handleOf(share, from) : undefined
    if (handle !== undefined) this.#aside.set(to, handle)
    return ok(id)
  }
}

function beliefsOf(step: ReplayStep): [string, Belief][] {
  switch (step.act) {
    case 'create':
    case 'mkdir':
    case 'symlink':
      return [[step.path, { kind: 'hidden' }]]
    case 'modify':
    case 'attributes':
      return [[step.path, { kind: 'touched' }]]
    case 'remove':
    case 'rmdir':
      return [[step.path, { kind: 'ghost', type: step.type }]]
    case 'rename':
      return [
        [step.from, { kind: 'ghost', type: step.type, to: step.to }],
        [step.to, { kind: 'replaced' }],
      ]
  }
}

const typeBits = { file: constants.S_IFREG, folder: constants.S_IFDIR, link: constants.S_IFLNK }

/** What is left to say of a file that is gone: only its type has to be right. */
function ghostAttrs(type: EntryType): FileAttrs {
  const mode = typeBits[type] | 0o755
  return { size: 0, uid: 0, gid: 0, mode, atime: 0, mtime: 0 }
}

function isMarked({ size, atime, mtime }: FileAttrs): boolean {
  return size === REPLAY_SIZE || (atime === REPLAY_TIMES.atime && mtime === REPLAY_TIMES.mtime)
}

function isNewMark({ mode }: FileAttrs): boolean {
  return mode !== undefined && (mode & 0o7777) === REPLAY_MODE
}

/** The name of a handle of the file that the client opened by this path, if there is one. */
function handleOf(share: Share, path: string): string | undefined {
  for (const [name, record] of share.journal.state.handles)
    if (record.kind === 'file' && cleanPath(record.path) === path) return name
  return undefined
}

async function isThere(share: Share, path: string): Promise<boolean> {
  try {
    await fs.lstat(bytesOf(await share.paths.place(path)))
    return true
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === 'ENOENT' || errno === 'ENOTDIR') return false
    throw error
  }
}

function ok(id: number): Buffer {
  return statusReply(id, Fx.OK, '')
}

// One system call writes it: a process that is killed leaves all of it or nothing, and before it nothing was asked for.
function writeSteps(file: string, steps: readonly ReplayStep[]): void {
  const fd = openSync(file, 'w', 0o600)
  try {
    if (steps.length > 0) writeSync(fd, JSON.stringify(steps))
  } finally {
    closeSync(fd)
  }
}

function readSteps(file: string): ReplayStep[] {
  try {
    const text = readFileSync(file, 'utf8')
    return text === '' ? [] : (JSON.parse(text) as ReplayStep[])
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || error instanceof SyntaxError) return []
    throw error
  }
}
