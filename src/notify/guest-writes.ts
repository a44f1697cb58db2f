import type { Signature } from './state.ts'

const KEPT_PATHS = 10_000

/**
 * Knows what the guest itself did to files, so that the host's events about it are not told to the guest again.
 *
 * A file is the guest's doing while it looks exactly as the guest left it. A host program that writes within the same
 * tick of the file system's clock (4 ms at most) and leaves the size as it was cannot be told from the guest.
 */
export class GuestWrites {
  private readonly written = new Map<string, Signature | undefined>()
  private readonly open = new Map<string, number>()
  private readonly limit: number

  /** Takes how many paths are remembered; beyond them the ones untouched longest are forgotten, and told as the host's. */
  constructor(limit = KEPT_PATHS) {
    this.limit = limit
  }

  /** The guest changed `path`, and has left it like this; undefined: it is gone. `fs.Stats` will do as signature. */
  wrote(path: string, signature: Signature | undefined): void {
    keep(this.written, path, signature && copy(signature), this.limit)
  }

  /** The guest opened `path` for writing; until it is closed as often, everything about it is the guest's doing. */
  opened(path: string): void {
    keep(this.open, path, (this.open.get(path) ?? 0) + 1, this.limit)
  }

  /** The guest closed `path`. Say `wrote` first. */
  closed(path: string): void {
    const count = this.open.get(path) ?? 0
    if (count > 1) this.open.set(path, count - 1)
    else this.open.delete(path)
  }

  /**
   * Takes a path of which the host tells a change, and what it looks like now (undefined: absent); gives whether this is
   * the guest's own doing. For a rename ask for both paths. What is not, ends the guest's claim on the path.
   */
  isEcho(path: string, now: Signature | undefined): boolean {
    if (this.open.has(path)) return true
    if (!this.written.has(path)) return false
    if (isEqual(this.written.get(path), now)) return true
    this.written.delete(path)
    return false
  }
}

// A Map keeps the order in which keys were set, so its first key is the one untouched longest.
function keep<V>(map: Map<string, V>, key: string, value: V, limit: number): void {
  map.delete(key)
  map.set(key, value)
  if (map.size <= limit) return
  for (const oldest of map.keys()) {
    map.delete(oldest)
    return
  }
}

function copy({ ino, size, mtimeMs, ctimeMs, mode }: Signature): Signature {
  return { ino, size, mtimeMs, ctimeMs, mode }
}

function isEqual(a: Signature | undefined, b: Signature | undefined): boolean {
  if (!a || !b) return a === b
  return (
    a.ino === b.ino &&
    a.size === b.size &&
    a.mtimeMs === b.mtimeMs &&
    a.ctimeMs === b.ctimeMs &&
    a.mode === b.mode
  )
}
