/** How to open a handle again. Paths and names are byte strings. */
export interface HandleRecord {
  kind: 'file' | 'dir'
  /** The request that opened it, and the client's path in that request. */
  id: number
  path: string
  /** Where it lies on the host: a real path, or two when a rename may or may not have been done. */
  places: string[]
  /** Flags of `open`; 0 for a folder. */
  flags: number
  dev: number
  ino: number
}

/** A change about to be made, by its request's id. */
export interface Change {
  id: number
  /** A rename: the places on the host, from and to. */
  move?: [string, string]
  /** An append: the file's size before. */
  size?: number
}

/** One line of a journal. `begin` comes before a change is made, all others before their reply is sent. */
export type JournalEntry =
  | { is: 'session'; tag: string; next: number; relay: boolean }
  | { is: 'open'; name: string; record: HandleRecord }
  | { is: 'list'; name: string; id: number; names: string[] }
  | { is: 'close'; name: string }
  | ({ is: 'begin' } & Change)
  | { is: 'end'; id: number; ok: boolean }

/** What a journal says. */
export interface JournalState {
  /** First half of all handle names of the client's session; the second half counts up from 0 to below `next`. */
  tag: string
  next: number
  /** The client's INIT was the relay's. */
  relay: boolean
  handles: Map<string, HandleRecord>
  /** Names of a folder given so far, by handle and READDIR request. */
  lists: Map<string, Map<number, string[]>>
  /** Changes that were made, the newest last. */
  done: Set<number>
  /** A change that may have been made or not. */
  pending: Change | undefined
}

/** More than a client has requests under way. */
const KEPT_DONE = 8192

/** The state before the first entry. */
export function emptyState(tag: string, relay = false): JournalState {
  return { tag, next: 0, relay, handles: new Map(), lists: new Map(), done: new Set(), pending: undefined }
}

/** Takes one more entry into the state. */
export function applyEntry(state: JournalState, entry: JournalEntry): void {
  switch (entry.is) {
    case 'session':
      Object.assign(state, emptyState(entry.tag, entry.relay), { next: entry.next })
      break
    case 'open':
      state.handles.set(entry.name, entry.record)
      state.next = Math.max(state.next, Buffer.from(entry.name, 'latin1').readUInt32BE(4) + 1)
      break
    case 'list':
      listsOf(state, entry.name).set(entry.id, entry.names)
      break
    case 'close':
      state.handles.delete(entry.name)
      state.lists.delete(entry.name)
      break
    case 'begin': {
      const { is: _is, ...change } = entry
      state.pending = change
      break
    }
    case 'end':
      if (entry.ok) addDone(state, entry.id)
      if (entry.ok && state.pending?.id === entry.id && state.pending.move)
        moveHandles(state, state.pending.move, false)
      state.pending = undefined
  }
}

/** Handles whose file a rename moved that was begun: both places are possible. For a state read from a file. */
export function doubtPending(state: JournalState): void {
  if (state.pending?.move) moveHandles(state, state.pending.move, true)
}

/** The shortest list of entries that gives the state. */
export function entriesOf(state: JournalState): JournalEntry[] {
  const { tag, next, relay } = state
  const entries: JournalEntry[] = [{ is: 'session', tag, next, relay }]
  for (const [name, record] of state.handles) entries.push({ is: 'open', name, record })
  for (const [name, lists] of state.lists)
    for (const [id, names] of lists) entries.push({ is: 'list', name, id, names })
  for (const id of state.done) entries.push({ is: 'end', id, ok: true })
  if (state.pending) entries.push({ is: 'begin', ...state.pending })
  return entries
}

function listsOf(state: JournalState, name: string): Map<number, string[]> {
  const lists = state.lists.get(name) ?? new Map<number, string[]>()
  state.lists.set(name, lists)
  return lists
}

function addDone(state: JournalState, id: number): void {
  state.done.add(id)
  if (state.done.size <= KEPT_DONE) return
  for (const oldest of state.done) {
    state.done.delete(oldest)
    break
  }
}

function moveHandles(state: JournalState, [from, to]: [string, string], doubtful: boolean): void {
  for (const record of state.handles.values()) {
    const moved = record.places.map((place) => {
      if (place === from) return to
      return place.startsWith(`${from}/`) ? to + place.slice(from.length) : place
    })
    record.places = [...new Set(doubtful ? [...moved, ...record.places] : moved)]
  }
}
