import type { Dir } from 'node:fs'
import { HostFiles } from './host-files.ts'
import { Journal } from './journal.ts'
import { failure, tooManyFiles } from './status.ts'

/** An open file. */
export interface FileHandle {
  kind: 'file'
  fd: number
  /** Opened with SSH_FXF_APPEND: offsets of WRITE do not count. */
  append: boolean
  /** Where it lay when it was opened, and with which flags of `open`. */
  place: string
  flags: number
  dev: number
  ino: number
  /** Called once it is closed. */
  onClose?: () => void
}

/** An open folder. */
export interface DirHandle {
  kind: 'dir'
  dir: Dir
  /** Where it lay when it was opened: a real path. */
  place: string
  dev: number
  ino: number
  /** Names that an earlier server gave of it. */
  given: ReadonlySet<string>
  /** Whether `.` and `..` have been given. */
  started: boolean
  /** An entry read that did not fit into the last batch. */
  kept: string | undefined
  /** The last READDIR: sshfs sends several at once, and their batches must neither mix nor overlap. */
  last: Promise<unknown>
}

export type OpenHandle = FileHandle | DirHandle

interface Slot {
  handle: OpenHandle
  /** Requests that use it right now. */
  users: number
  /** Set by the first close; called when the last user is done. */
  release: (() => void) | undefined
}

/** Most handles of one session: enough for any build, well below the usual limit of a process. */
export const MAX_HANDLES = 4096

/**
 * The open files and folders of one session. Names are byte strings of 8 bytes: a random tag of the client's session,
 * and a number never used again in it, so that no handle of another session, or from before a reset, is valid. The
 * journal knows all of them.
 */
export class HandleTable {
  private readonly slots = new Map<string, Slot>()
  private readonly closing = new Set<Promise<void>>()
  private readonly journal: Journal
  private readonly files: HostFiles
  private readonly limit: number
  private reserved = 0

  /** Takes what closes the files. */
  constructor(journal = new Journal(), files = new HostFiles(), limit = MAX_HANDLES) {
    this.journal = journal
    this.files = files
    this.limit = limit
  }

  /** Handles open now. */
  get size(): number {
    return this.slots.size
  }

  /** Opens by `open` for a request and gives the new handle's name. Throws when too many are open. */
  async add(request: { id: number; path: string }, open: () => Promise<OpenHandle>): Promise<string> {
    if (this.slots.size + this.reserved >= this.limit) throw tooManyFiles()
    // The place is taken before the file is open: many OPENs run at once.
    this.reserved++
    try {
      const handle = await open()
      const name = this.journal.nextName()
      const { kind, place, dev, ino } = handle
      const flags = handle.kind === 'file' ? handle.flags : 0
      const { id, path } = request
      this.journal.opened(name, { kind, id, path, places: [place], flags, dev, ino })
      this.restore(name, handle)
      return name
    } finally {
      this.reserved--
    }
  }

  has(name: string): boolean {
    return this.slots.has(name)
  }

  /** Puts a handle of an earlier server, opened again, under its name. */
  restore(name: string, handle: OpenHandle): void {
    this.slots.set(name, { handle, users: 0, release: undefined })
  }

  /** Runs `work` with an open file; the file stays open until it is done. Throws for an unknown handle or a folder. */
  withFile<T>(name: string, work: (file: FileHandle) => Promise<T>): Promise<T> {
    return this.use(name, (handle) => {
      if (handle.kind !== 'file') throw failure('not a file handle')
      return work(handle)
    })
  }

  /** Runs `work` with an open folder, after all earlier work with it. Throws for an unknown handle or a file. */
  withDir<T>(name: string, work: (dir: DirHandle) => Promise<T>): Promise<T> {
    return this.use(name, (handle) => {
      if (handle.kind !== 'dir') throw failure('not a folder handle')
      const turn = handle.last.then(() => work(handle))
      handle.last = turn.catch(() => {})
      return turn
    })
  }

  /** Closes one handle when its users are done. The name is invalid at once. Throws for an unknown handle. */
  async close(name: string): Promise<void> {
    const slot = this.slots.get(name)
    if (!slot) throw failure('no such handle')
    this.journal.closed(name)
    await this.release(name, slot)
  }

  /** Closes all, which the journal does not learn; resolves when every file is closed. Never rejects. */
  async closeAll(): Promise<void> {
    for (const [name, slot] of this.slots) this.release(name, slot).catch(() => {})
    await Promise.all(this.closing)
  }

  private async release(name: string, slot: Slot): Promise<void> {
    this.slots.delete(name)
    const closed = closeSlot(this.files, slot)
    const tracked = closed.catch(() => {})
    this.closing.add(tracked)
    await tracked
    this.closing.delete(tracked)
    await closed
  }

  private async use<T>(name: string, work: (handle: OpenHandle) => Promise<T>): Promise<T> {
    const slot = this.slots.get(name)
    if (!slot) throw failure('no such handle')
    slot.users++
    try {
      return await work(slot.handle)
    } finally {
      slot.users--
      if (slot.users === 0) slot.release?.()
    }
  }
}

async function closeSlot(files: HostFiles, slot: Slot): Promise<void> {
  if (slot.users > 0) {
    await new Promise<void>((resolve) => {
      slot.release = resolve
    })
  }
  if (slot.handle.kind === 'dir') return files.closedir(slot.handle.dir)
  await files.close(slot.handle.fd).finally(slot.handle.onClose)
}
