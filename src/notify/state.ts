import type { EntryType } from './host-watcher.ts'

/** What tells whether a file was changed: fields of `fs.Stats`, times in milliseconds. */
export interface Signature {
  ino: number
  size: number
  mtimeMs: number
  ctimeMs: number
  mode: number
}

/** What the watcher remembers of an entry. */
export interface State extends Signature {
  /** 0 where the file system has none. */
  birthtimeMs: number
}

const TYPE = 0o170000
const FOLDER = 0o040000
const FILE = 0o100000
const LINK = 0o120000

/** Copies the fields that matter, so that not the whole `fs.Stats` is kept. */
export function stateOf(stats: State): State {
  const { ino, size, mtimeMs, ctimeMs, mode, birthtimeMs } = stats
  return { ino, size, mtimeMs, ctimeMs, mode, birthtimeMs }
}

/** What an entry is, by its mode. */
export function typeOf(state: Signature): EntryType {
  switch (state.mode & TYPE) {
    case FOLDER:
      return 'folder'
    case FILE:
      return 'file'
    case LINK:
      return 'link'
    default:
      return 'other'
  }
}

export function isFolder(state: Signature): boolean {
  return (state.mode & TYPE) === FOLDER
}

export function isFile(state: Signature): boolean {
  return (state.mode & TYPE) === FILE
}

/**
 * Whether two states are of one and the same file. File systems give the inode number of a deleted file to the next new
 * one, so the time of birth must be the same too, or, where there is none, what a rename does not change.
 */
export function isSame(a: State, b: State): boolean {
  if (a.ino !== b.ino || (a.mode & TYPE) !== (b.mode & TYPE)) return false
  if (a.birthtimeMs > 0 || isFolder(a)) return a.birthtimeMs === b.birthtimeMs
  return a.mtimeMs === b.mtimeMs && a.size === b.size
}
