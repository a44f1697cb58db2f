import fs from 'node:fs'
import { writeFd } from './fd.ts'

/** Bytes of a slot; the guest's part of sshfs has the same (guest/…/sshfs-link/window.h). */
export const SLOT = 64 * 1024
/** Slots of one mount: for two requests of 1 MiB, the most that a guest’s kernel makes (fuse, max_pages). */
const SLOTS = 32

/** Mounts that have a part; more than nearly anyone has. */
const PARTS = 8
/**
 * Slots before and behind all parts that stay empty: the guest's udev looks there for a file system or a volume, and must not
 * take the beginning of a disk image that is read for one.
 */
const EDGE = 16

/** Makes the file, empty, for a machine that is about to start. Throws as `fs` does. */
export function makeWindow(file: string): void {
  const fd = fs.openSync(file, 'w', 0o600)
  try {
    fs.ftruncateSync(fd, (EDGE + PARTS * SLOTS + EDGE) * SLOT)
  } finally {
    fs.closeSync(fd)
  }
}

/** A file that is a disk in the guest: what one side wrote the other can read at once. Each mount has a part of its own. */
export class Windows {
  #fd: number | undefined

  private constructor(fd: number | undefined) {
    this.#fd = fd
  }

  /** Opens the file of a running machine. One without is as good, only slower. */
  static open(file: string): Windows {
    try {
      return new Windows(fs.openSync(file, 'r+'))
    } catch {
      return new Windows(undefined)
    }
  }

  /** The part of a mount, by its index. */
  of(index: number): Window | undefined {
    if (this.#fd === undefined || index >= PARTS) return undefined
    return new Window(this.#fd, EDGE + index * SLOTS, SLOTS)
  }

  close(): void {
    if (this.#fd !== undefined) fs.closeSync(this.#fd)
    this.#fd = undefined
  }
}

/**
 * A mount's part. The data of large READs and WRITEs goes through it. Each request names the slots that it is about, and what
 * the guest does with which of them is its own affair.
 */
export class Window {
  /** The first slot of this part, and how many there are. */
  readonly first: number
  readonly slots: number
  readonly #fd: number
  /** Where data stands on its way, slot for slot: no request needs memory of its own. */
  #stage: Buffer | undefined
  readonly #puts = new Set<Promise<unknown>>()

  /** `fd`: the whole file, open for reading and writing. */
  constructor(fd: number, first: number, slots: number) {
    this.#fd = fd
    this.first = first
    this.slots = slots
  }

  /** Memory for `length` bytes that are to stand in slots from `slot` on; undefined where they are not all of this part. */
  room(slot: number, length: number): Buffer | undefined {
    const start = slot * SLOT
    if (start + length > this.slots * SLOT) return undefined
    this.#stage ??= Buffer.allocUnsafeSlow(this.slots * SLOT)
    return this.#stage.subarray(start, start + length)
  }

  /** What the guest put into slots; undefined where they are not all of this part, or cannot be read. */
  take(slot: number, length: number): Buffer | undefined {
    const data = this.room(slot, length)
    try {
      if (data && fs.readSync(this.#fd, data, 0, length, this.#place(slot)) === length) return data
    } catch {
      // As good as none.
    }
    return undefined
  }

  /** Gives the guest what was put into `room`; tells whether it could be: the disk may be full. Never rejects. */
  async put(slot: number, data: Buffer): Promise<boolean> {
    // Through the pool: a busy disk may hold up who writes to it.
    const written = writeFd(this.#fd, data, this.#place(slot)).then(
      () => true,
      () => false,
    )
    this.#puts.add(written)
    const whole = await written
    this.#puts.delete(written)
    return whole
  }

  /** Requests that are still at work share no memory with those to come. */
  renew(): void {
    this.#stage = undefined
  }

  /** Resolves when nothing is put into slots any more: before that, no other client may have them. */
  async settled(): Promise<void> {
    await Promise.all(this.#puts)
  }

  #place(slot: number): number {
    return (this.first + slot) * SLOT
  }
}
