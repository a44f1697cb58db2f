import type { FSWatcher } from 'node:fs'
import path from 'node:path'
import { isWithin, type Look, type Move } from './diff.ts'
import { isFolder, isSame, type State } from './state.ts'

/** The name under which a folder's marks hold the folder itself. */
export const SELF = ''

/** Which events spoke of a name since the last look. */
interface Mark {
  first: number
  last: number
  changes: number
  named: boolean
  /** The folder's entries were not known yet. */
  early: boolean
}

/** A watched folder. */
export interface Folder {
  path: string
  self: State
  /** Undefined until it has been read. */
  entries: Map<string, State> | undefined
  marks: Map<string, Mark>
  watch?: Pick<FSWatcher, 'close' | 'on'>
  closed: boolean
  /** Something happened in it, nobody knows to what. */
  stale: boolean
}

/** A look at an entry of a watched folder, or at the folder itself. */
export interface Entry extends Look {
  folder: Folder
  name: string
}

/** Where watched folders went during one look. */
export interface Travels {
  /** The path of the rename that brought a folder, itself or within another, to where it is. */
  arrived: Map<Folder, string>
  /** Folders whose path another one has now. */
  covered: Folder[]
}

/** A watched folder that is gone, and the look that shows it. */
interface Doomed {
  folder: Folder
  cause: Entry
}

/** The watched folders, what is known of them, and which of it may have changed. */
export class Folders {
  private folders = new Map<string, Folder>()
  private readonly dirty = new Set<Folder>()

  get(at: string): Folder | undefined {
    return this.folders.get(at)
  }

  all(): Folder[] {
    return [...this.folders.values()]
  }

  /** The watched folder that has this one as an entry. */
  parentOf(folder: Folder): Folder | undefined {
    const parent = this.folders.get(path.dirname(folder.path))
    return parent === folder ? undefined : parent
  }

  set(folder: Folder): void {
    this.folders.set(folder.path, folder)
  }

  drop(folder: Folder): void {
    folder.closed = true
    folder.watch?.close()
    this.dirty.delete(folder)
    if (this.folders.get(folder.path) === folder) this.folders.delete(folder.path)
  }

  /** Notes that an entry must be looked at; `event` as `fs.watch` names it, undefined if there was none. */
  mark(folder: Folder, name: string, at: number, event?: string): void {
    this.dirty.add(folder)
    const mark = folder.marks.get(name) ?? {
      first: at,
      last: at,
      changes: 0,
      named: false,
      early: folder.entries === undefined,
    }
    mark.last = at
    if (event === 'change') mark.changes++
    if (event === 'rename') mark.named = true
    folder.marks.set(name, mark)
  }

  /** Notes that all of a folder must be looked at. */
  suspect(folder: Folder): void {
    folder.stale = true
    this.dirty.add(folder)
  }

  /** Gives the folders that have been read and must be read again, once. */
  takeSuspects(): Folder[] {
    const suspects = [...this.dirty].filter((folder) => folder.stale && folder.entries)
    for (const folder of suspects) folder.stale = false
    return suspects
  }

  /** Whether there is anything to look at. */
  anyMarked(): boolean {
    for (const folder of this.dirty) if (folder.entries) return true
    return false
  }

  /** Gives everything that must be looked at, once; folders not read yet must wait. */
  takeMarks(): Entry[] {
    const looks: Entry[] = []
    for (const folder of this.dirty) {
      if (!folder.entries) continue
      for (const [name, { early, ...mark }] of folder.marks) {
        const at = path.join(folder.path, name)
        const known = name === SELF ? folder.self : folder.entries.get(name)
        const before = early && name !== SELF ? (this.folders.get(at)?.self ?? 'unknown') : known
        looks.push({ folder, name, path: at, before, after: undefined, ...mark })
      }
      folder.marks = new Map()
      if (!folder.stale) this.dirty.delete(folder)
    }
    return looks
  }

  /** Gives new paths to watched folders that were moved, or lie in one that was; gives those folders. */
  follow(moves: readonly Move[], travels: Travels): Set<Folder> {
    const moved = new Set<Folder>()
    if (moves.length === 0) return moved
    const newPaths = new Map(moves.map(({ from, to }) => [from.path, to.path]))
    for (const folder of this.all()) {
      const from = nearest(folder.path, newPaths)
      const to = from === undefined ? undefined : newPaths.get(from)
      if (from === undefined || to === undefined) continue
      this.folders.delete(folder.path)
      folder.path = path.join(to, path.relative(from, folder.path))
      moved.add(folder)
      travels.arrived.set(folder, to)
    }
    for (const folder of moved) {
      const covered = this.folders.get(folder.path)
      if (covered) travels.covered.push(covered)
      this.folders.set(folder.path, folder)
    }
    return moved
  }

  /**
   * Adds to `looks` what was known to be in watched folders that are gone, for all of it is gone too; forgets those
   * folders. A folder that another one has taken the name of is gone.
   */
  withGone(looks: readonly Entry[], moves: readonly Move[], { arrived, covered }: Travels): Entry[] {
    const left = new Set<Look>(moves.map(({ from }) => from))
    const gone = new Map(
      looks.flatMap((look) => (isGoneFolder(look) && !left.has(look) ? [[look.path, look]] : [])),
    )
    const doomed: Doomed[] = []
    for (const folder of [...covered, ...(gone.size > 0 ? this.all() : [])]) {
      const top = nearest(folder.path, gone)
      const cause = top === undefined ? undefined : gone.get(top)
      const cameTo = arrived.get(folder)
      const cameLater = cause?.after && cameTo !== undefined && isWithin(cameTo, cause.path)
      if (cause && !cameLater) doomed.push({ folder, cause })
    }
    for (const { folder } of doomed) this.drop(folder)
    for (const folder of covered) this.drop(folder)
    return doomed.length > 0 ? withLost(looks, doomed) : [...looks]
  }

  /** Remembers what was found. */
  learn(looks: readonly Entry[]): void {
    for (const { folder, name, path: at, after } of looks) {
      if (name !== SELF) {
        if (after) folder.entries?.set(name, after)
        else folder.entries?.delete(name)
      }
      const self = this.folders.get(at)
      if (self && after) self.self = after
    }
  }
}

function isGoneFolder({ before, after }: Look): boolean {
  return typeof before === 'object' && isFolder(before) && !(after && isSame(before, after))
}

function withLost(looks: readonly Entry[], doomed: readonly Doomed[]): Entry[] {
  const causes = new Map(doomed.map(({ folder, cause }) => [folder, cause]))
  const selves = new Map(doomed.map(({ folder }) => [folder.path, folder.self]))
  const lost = new Map(doomed.map(({ folder }) => [folder, new Map<string, Entry>()]))
  const kept: Entry[] = []
  for (const look of looks) {
    const cause = causes.get(look.folder)
    if (!cause || look === cause) kept.push(look)
    else lost.get(look.folder)?.set(look.name, { ...look, after: undefined, cause })
  }
  const lose = ({ folder, cause }: Doomed, name: string, before: State | 'unknown') => {
    const entries = lost.get(folder)
    if (entries?.has(name)) return
    const at = path.join(folder.path, name)
    const never = { changes: 0, named: false, first: cause.last, last: cause.last }
    entries?.set(name, { folder, name, path: at, before, after: undefined, cause, ...never })
  }
  for (const one of doomed) {
    const { entries, marks, path: at } = one.folder
    for (const [name, state] of entries ?? []) lose(one, name, state)
    // Of a folder that had not been read yet the events alone are known.
    for (const name of entries ? [] : marks.keys()) {
      if (name !== SELF) lose(one, name, selves.get(path.join(at, name)) ?? 'unknown')
    }
  }
  const told = new Set(
    [...lost.values()].flatMap((entries) => [...entries.values()].map((look) => look.path)),
  )
  for (const one of doomed) {
    if (one.folder.path !== one.cause.path && !told.has(one.folder.path)) lose(one, SELF, one.folder.self)
  }
  const all = [...lost.values()].flatMap((entries) => [...entries.values()])
  const byPath = new Map(all.map((look) => [look.path, look]))
  for (const look of all) look.cause = byPath.get(path.dirname(look.path)) ?? look.cause
  return [...kept, ...all]
}

/** Gives the nearest of `at` and the folders above it that is a key of `map`. */
function nearest(at: string, map: ReadonlyMap<string, unknown>): string | undefined {
  for (let up = at; ; up = path.dirname(up)) {
    if (map.has(up)) return up
    if (up === path.dirname(up)) return undefined
  }
}
