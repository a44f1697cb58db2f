import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import { messageOf } from '../host/errors.ts'
import {
  applyEntry,
  type Change,
  doubtPending,
  emptyState,
  entriesOf,
  type HandleRecord,
  type JournalEntry,
  type JournalState,
} from './journal-state.ts'

/** Bytes after which a journal is written anew, when that makes it at least 8 times shorter. */
const LONG = 1 << 20

/**
 * What a server must know to go on where another one was killed: the open handles, and which changes were made, line
 * by line in a file. Lines are written without waiting for a disk: a killed process loses nothing that is with the
 * system, and a host that crashes takes the guest with it. Without a file it remembers only. Never throws: a journal
 * that cannot be written costs no more than the handles at the next kill.
 */
export class Journal {
  readonly state: JournalState = emptyState(newTag())
  private readonly file: string | undefined
  private readonly log: (line: string) => void
  private fd: number | undefined
  private bytes = 0
  private shortest = 0

  /** Takes up what the file says, if there is one. */
  constructor(file?: string, log: (line: string) => void = () => {}) {
    this.file = file
    this.log = log
    if (file === undefined) return
    for (const entry of readEntries(file)) applyEntry(this.state, entry)
    doubtPending(this.state)
    this.rewrite()
  }

  /** A new client, with the relay's INIT or a plain one: nothing of before counts. */
  clear(relay: boolean): void {
    applyEntry(this.state, { is: 'session', tag: newTag(), next: 0, relay })
    this.rewrite()
  }

  /** The name for a handle to be opened. */
  nextName(): string {
    const number = Buffer.alloc(4)
    number.writeUInt32BE(this.state.next++ >>> 0)
    return this.state.tag + number.toString('latin1')
  }

  opened(name: string, record: HandleRecord): void {
    this.append({ is: 'open', name, record })
  }

  /** The names that a READDIR gives. */
  listed(name: string, id: number, names: string[]): void {
    this.append({ is: 'list', name, id, names })
  }

  closed(name: string): void {
    if (this.state.handles.has(name)) this.append({ is: 'close', name })
  }

  /** Makes a change so that after a kill at any point it is known whether it was made, or may have been. */
  async change<T>(change: Change, make: () => Promise<T>): Promise<T> {
    // One that an earlier server began: should it fail now, it may still have been made then.
    const doubtful = this.state.pending?.id === change.id
    this.append({ is: 'begin', ...change })
    let ok = false
    try {
      const result = await make()
      ok = true
      return result
    } finally {
      if (ok || !doubtful) this.append({ is: 'end', id: change.id, ok })
    }
  }

  /** A change that was begun by an earlier server was found made, or has been finished. */
  made(id: number): void {
    this.append({ is: 'end', id, ok: true })
  }

  /** Lets go of the file, which stays. */
  close(): void {
    if (this.fd !== undefined) fs.closeSync(this.fd)
    this.fd = undefined
  }

  private append(entry: JournalEntry): void {
    applyEntry(this.state, entry)
    if (this.fd === undefined) return
    try {
      this.bytes += fs.writeSync(this.fd, `${JSON.stringify(entry)}\n`)
    } catch (error) {
      this.giveUp(error)
    }
    if (this.bytes > LONG && this.bytes > 8 * this.shortest) this.rewrite()
  }

  private rewrite(): void {
    if (this.file === undefined) return
    try {
      this.close()
      const text = entriesOf(this.state).map((entry) => `${JSON.stringify(entry)}\n`)
      // A file of its own until it is whole.
      const next = `${this.file}.new`
      fs.writeFileSync(next, text.join(''), { mode: 0o600 })
      fs.renameSync(next, this.file)
      this.fd = fs.openSync(this.file, 'a')
      this.bytes = fs.fstatSync(this.fd).size
      this.shortest = this.bytes
    } catch (error) {
      this.giveUp(error)
    }
  }

  private giveUp(error: unknown): void {
    this.log(`open files will not outlive the agent: ${messageOf(error)}`)
    this.close()
    // Half the truth is worse than none.
    if (this.file !== undefined) fs.rm(this.file, { force: true }, () => {})
  }
}

function newTag(): string {
  return randomBytes(4).toString('latin1')
}

function readEntries(file: string): JournalEntry[] {
  try {
    const text = fs.readFileSync(file, 'utf8')
    // What follows the last line's end was cut off by the kill: its reply was not sent.
    const lines = text.slice(0, text.lastIndexOf('\n') + 1).split('\n')
    return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as JournalEntry)
  } catch {
    return []
  }
}
