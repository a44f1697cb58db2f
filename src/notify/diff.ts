import path from 'node:path'
import type { HostChange } from './host-watcher.ts'
import { isFile, isFolder, isSame, type State, typeOf } from './state.ts'

/** One path that something happened to: what was known of it, what it is now, and which events told so. */
export interface Look {
  path: string
  /** `unknown`: its folder had not been read when it happened. */
  before: State | undefined | 'unknown'
  after: State | undefined
  /** The places of its first and its last event among all events. */
  first: number
  last: number
  /** How many events spoke of its content or attributes. */
  changes: number
  /** Whether an event spoke of its name. */
  named: boolean
  /** It is gone because the folder it was in is gone, of which this look tells. */
  cause?: Look
}

export interface Move<L extends Look = Look> {
  from: L
  to: L
}

/** What the classification of changes needs to know of the host. */
export interface Clock {
  /** Milliseconds since 1970. */
  now: number
  /** Whether every single change gives an event of its own: so on Linux, while macOS folds them together. */
  exact: boolean
}

/** A file written so recently may have been written again without a new time: clocks of file systems tick every few ms. */
const RECENT_MS = 1000

/**
 * Finds the renames among `looks`: an entry that left one path and came to another. Names that were exchanged are left
 * out, for they cannot be told as renames one after the other; so is a folder that came into one that took its name.
 */
export function findMoves<L extends Look>(looks: readonly L[]): Move<L>[] {
  const left = new Map<number, L[]>()
  for (const look of looks) {
    if (known(look) && !stayed(look)) push(left, look.before.ino, look)
  }
  const moves: Move<L>[] = []
  for (const to of looks) {
    const { after } = to
    if (!after || stayed(to) || (to.before === 'unknown' && !to.named)) continue
    const candidates = left.get(after.ino)
    const fits = (from: L) => known(from) && isSame(from.before, after) && !isWithin(to.path, from.path)
    const at = candidates?.findIndex(fits) ?? -1
    if (candidates && at >= 0) moves.push(...candidates.splice(at, 1).map((from) => ({ from, to })))
  }
  return withoutCircles(moves)
}

/**
 * Gives the changes in an order in which they can be replayed: an entry leaves a name before another comes to it, a
 * folder comes before what comes into it and goes after what was in it.
 */
export function changesOf(looks: readonly Look[], moves: readonly Move[], clock: Clock): HostChange[] {
  const cameFrom = new Map(moves.map(({ from, to }) => [to, from]))
  const wentTo = new Map(moves.map(({ from, to }) => [from, to]))
  const folders = new Map(
    looks.flatMap((look) => (arrivesAsFolder(look) ? [[look.path, look] as const] : [])),
  )
  const lost = new Map<Look, Look[]>()
  for (const look of looks) if (look.cause) push(lost, look.cause, look)
  const changes: HostChange[] = []
  const done = new Set<Look>()

  const tell = (look: Look): void => {
    if (done.has(look)) return
    done.add(look)
    const from = cameFrom.get(look)
    const to = wentTo.get(look)
    if (to) tell(to)
    for (const one of lost.get(look) ?? []) tell(one)
    for (const one of from ? [look, from] : [look]) {
      for (const parent of one.cause ? [] : parentsOf(one.path)) {
        const folder = folders.get(parent)
        if (folder) tell(folder)
      }
    }
    changes.push(...changesAt(look, from, to !== undefined, clock))
  }
  for (const look of [...looks].sort(byTime)) tell(look)
  return changes
}

function changesAt(look: Look, from: Look | undefined, moved: boolean, clock: Clock): HostChange[] {
  const { after, path } = look
  const before = moved ? undefined : look.before
  const make = (
    kind: 'create' | 'modify' | 'attributes' | 'delete',
    state: State | undefined,
  ): HostChange => ({
    kind,
    path,
    type: state === undefined ? 'other' : typeOf(state),
  })
  if (!after) {
    if (before === undefined) return []
    return [make('delete', before === 'unknown' ? undefined : before)]
  }
  if (from && known(from)) {
    const rename: HostChange = { kind: 'rename', from: from.path, to: path, type: typeOf(after) }
    const kind = changeOfMoved(from.before, after)
    const over =
      typeof before === 'object' && isFolder(before) !== isFolder(after) ? [make('delete', before)] : []
    return [...over, rename, ...(kind ? [make(kind, after)] : [])]
  }
  if (before === undefined) return [make('create', after)]
  if (before === 'unknown') {
    return [make(look.named ? 'create' : isFile(after) ? 'modify' : 'attributes', after)]
  }
  if (isSame(before, after)) {
    const kind = changeOf(before, after, look.changes, clock)
    return kind ? [make(kind, after)] : []
  }
  // Editors save by writing a new file and renaming it over the old one.
  if (isFile(before) && isFile(after)) return [make('modify', after)]
  return [make('delete', before), make('create', after)]
}

/**
 * What happened to an entry that stayed where it is. A write sets mtime and ctime to the same time, and so does `touch`,
 * which hence is a `modify`. Other times were set by hand, in one event; were there more events, it may have been written
 * before that, so it is a `modify` then.
 */
function changeOf(
  before: State,
  after: State,
  changes: number,
  { now, exact }: Clock,
): 'modify' | 'attributes' | undefined {
  const touched = before.ctimeMs !== after.ctimeMs
  if (isFolder(after)) {
    // A folder's times change with every entry, which is told of the entry.
    return before.mode !== after.mode || (touched && changes > 0) ? 'attributes' : undefined
  }
  if (!isFile(after)) return touched ? 'attributes' : undefined
  if (before.size !== after.size) return 'modify'
  if (before.mtimeMs !== after.mtimeMs) {
    return after.mtimeMs === after.ctimeMs || changes !== 1 || !exact ? 'modify' : 'attributes'
  }
  if (touched) return changes > 1 && exact ? 'modify' : 'attributes'
  return changes > 0 && exact && after.mtimeMs > now - RECENT_MS ? 'modify' : undefined
}

// A rename changes the ctime by itself.
function changeOfMoved(before: State, after: State): 'modify' | 'attributes' | undefined {
  if (isFile(after) && (before.size !== after.size || before.mtimeMs !== after.mtimeMs)) return 'modify'
  return before.mode !== after.mode ? 'attributes' : undefined
}

function withoutCircles<L extends Look>(moves: readonly Move<L>[]): Move<L>[] {
  const wentTo = new Map(moves.map(({ from, to }) => [from, to]))
  return moves.filter(({ from }) => {
    let next = wentTo.get(from)
    while (next && next !== from) next = wentTo.get(next)
    return next === undefined
  })
}

/** Whether a path is `folder` or below it. */
export function isWithin(at: string, folder: string): boolean {
  return at === folder || at.startsWith(path.join(folder, path.sep))
}

function known<L extends Look>(look: L): look is L & { before: State } {
  return typeof look.before === 'object'
}

function stayed(look: Look): boolean {
  return known(look) && look.after !== undefined && isSame(look.before, look.after)
}

function arrivesAsFolder(look: Look): boolean {
  return look.after !== undefined && isFolder(look.after) && !stayed(look)
}

// What is gone is told by its last event, all else by its first; what lies deeper comes first among equals.
function byTime(a: Look, b: Look): number {
  return (a.after ? a.first : a.last) - (b.after ? b.first : b.last) || b.path.length - a.path.length
}

/** All folders above a path, the outermost first. */
function parentsOf(file: string): string[] {
  const parents: string[] = []
  for (let folder = path.dirname(file); folder !== path.dirname(folder); folder = path.dirname(folder)) {
    parents.unshift(folder)
  }
  return parents
}

function push<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key)
  if (list) list.push(value)
  else map.set(key, [value])
}
