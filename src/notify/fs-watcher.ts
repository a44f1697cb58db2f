import { EventEmitter } from 'node:events'
import { type FSWatcher, lstatSync, watch as watchFs } from 'node:fs'
import { lstat, readdir } from 'node:fs/promises'
import path from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { errnoOf } from '../host/errors.ts'
import { changesOf, findMoves } from './diff.ts'
import { Folders, type Entry, type Folder, SELF, type Travels } from './folders.ts'
import type { HostChange, HostWarning, HostWatcher } from './host-watcher.ts'
import { type LimitsOf, limitWarning, thisMachine } from './limits.ts'
import { isFolder, type State, stateOf } from './state.ts'

/** How the system is asked to watch one folder: `fs.watch`, as far as it is used. */
export type WatchFolder = (
  folder: string,
  listener: (event: string, name: string | null) => void,
) => Pick<FSWatcher, 'close' | 'on'>

/** What a test may replace. */
export interface FsWatcherOptions {
  watch?: WatchFolder
  machine?: LimitsOf
  /** How many events the system keeps before it drops some, without a word. */
  queuedEvents?: number
}

/** From the first event to the look at the files. */
const SETTLE_MS = 15
/** Between two looks, while events keep coming. */
const INTERVAL_MS = 50
/** Files asked about at once: there are four threads for all file work of the process. */
const PARALLEL = 16
const READERS = 4
const QUEUED_EVENTS = 16_384

/**
 * Watches with one `fs.watch` for each folder and compares what it finds with what it knew: events of the system only
 * say where to look. So it does not matter in what order, how often and under which name (macOS) they come, and after
 * a flood of them, when Linux may have dropped some, everything is looked at.
 *
 * Names that are not UTF-8 are left out: Node gives them mangled. Symbolic links are entries like any other and not followed.
 */
export class FsWatcher
  extends EventEmitter<{ changes: [HostChange[]]; warning: [HostWarning] }>
  implements HostWatcher
{
  private readonly folders = new Folders()
  private readonly unread: Folder[] = []
  private readonly told = new Set<string>()
  private readonly watch: WatchFolder
  private readonly machine: LimitsOf
  private readonly flood: number
  private readers = 0
  private events = 0
  private eventsAtLook = 0
  private flooded = false
  private timer: NodeJS.Timeout | undefined
  private looking: Promise<void> | undefined
  private lastLook = 0
  private closed = false

  constructor(options: FsWatcherOptions = {}) {
    super()
    this.watch = options.watch ?? ((folder, listener) => watchFs(folder, { persistent: false }, listener))
    this.machine = options.machine ?? thisMachine
    const queue =
      options.queuedEvents ??
      Number(this.machine.read('/proc/sys/fs/inotify/max_queued_events') ?? QUEUED_EVENTS)
    this.flood = queue / 2
  }

  add(folder: string): void {
    const at = path.resolve(folder)
    if (this.closed || this.folders.get(at)) return
    const added = this.open(at)
    if (!added) return
    this.folders.set(added)
    this.unread.push(added)
    this.readNext()
  }

  remove(folder: string): void {
    const found = this.folders.get(path.resolve(folder))
    if (found) this.folders.drop(found)
  }

  async close(): Promise<void> {
    this.closed = true
    clearTimeout(this.timer)
    for (const folder of this.folders.all()) this.folders.drop(folder)
    await this.looking
  }

  private open(at: string): Folder | undefined {
    try {
      const self = stateOf(lstatSync(at))
      if (!isFolder(self)) return undefined
      const folder: Folder = {
        path: at,
        self,
        entries: undefined,
        marks: new Map(),
        closed: false,
        stale: false,
      }
      this.listen(folder)
      return folder
    } catch (error) {
      this.fail(error)
      return undefined
    }
  }

  private listen(folder: Folder): void {
    // Events about the folder itself bear its name at the time the watch began.
    const ownName = path.basename(folder.path)
    const watch = this.watch(folder.path, (event, name) => this.hear(folder, event, name, ownName))
    watch.on('error', (error) => {
      this.fail(error)
      this.folders.drop(folder)
    })
    folder.watch?.close()
    folder.watch = watch
  }

  private hear(folder: Folder, event: string, name: string | null, ownName: string): void {
    if (folder.closed) return
    this.events++
    if (name === null) this.folders.suspect(folder)
    else this.folders.mark(folder, name, this.events, event)
    if ((name === null || name === ownName) && !this.folders.parentOf(folder)) {
      this.folders.mark(folder, SELF, this.events, event)
    }
    if (folder.entries) this.schedule()
  }

  private schedule(): void {
    if (this.timer || this.looking || this.closed) return
    const wait = Math.max(SETTLE_MS, this.lastLook + INTERVAL_MS - performance.now())
    this.timer = setTimeout(() => {
      this.timer = undefined
      this.lastLook = performance.now()
      this.looking = this.look().finally(() => {
        this.looking = undefined
        if (this.flooded || this.folders.anyMarked()) this.schedule()
      })
    }, wait)
  }

  private async look(): Promise<void> {
    await this.lookForLost()
    const looks = this.folders.takeMarks()
    await this.examine(looks)
    const followed = new Set<Entry>()
    const travels: Travels = { arrived: new Map(), covered: [] }
    for (;;) {
      const moves = findMoves(looks).filter(
        ({ from, to }) => to.after && isFolder(to.after) && !followed.has(from),
      )
      for (const { from } of moves) followed.add(from)
      const moved = this.folders.follow(moves, travels)
      if (moved.size === 0) break
      const again = looks.filter((look) => moved.has(look.folder))
      for (const look of again) look.path = path.join(look.folder.path, look.name)
      await this.examine(again)
    }
    for (const folder of travels.arrived.keys()) this.reopen(folder)
    // Now all events have come of what these looks have seen.
    await nextTurn()
    const current = looks.filter((look) => !look.folder.closed)
    for (const look of current) look.changes += look.folder.marks.get(look.name)?.changes ?? 0
    const all = this.folders.withGone(current, findMoves(current), travels)
    this.folders.learn(all)
    const changes = changesOf(all, findMoves(all), {
      now: Date.now(),
      exact: this.machine.platform === 'linux',
    })
    if (changes.length > 0 && !this.closed) this.emit('changes', changes)
  }

  /** After a flood of events, once it is over, every folder is read again; and those of which no event gave a name. */
  private async lookForLost(): Promise<void> {
    const events = this.events - this.eventsAtLook
    this.eventsAtLook = this.events
    if (events >= this.flood) this.flooded = true
    else if (this.flooded) {
      this.flooded = false
      for (const folder of this.folders.all()) this.folders.suspect(folder)
    }
    for (const folder of this.folders.takeSuspects()) {
      const names = await readdir(folder.path).catch(() => [])
      for (const name of [...names, ...(folder.entries?.keys() ?? [])])
        this.folders.mark(folder, name, this.events)
      if (!this.folders.parentOf(folder)) this.folders.mark(folder, SELF, this.events)
    }
  }

  /** On macOS a watch is bound to the path. Where it cannot be renewed the folder has gone on already: that is told yet. */
  private reopen(folder: Folder): void {
    try {
      this.listen(folder)
      this.folders.suspect(folder)
    } catch (error) {
      this.fail(error)
    }
  }

  private async examine(looks: readonly Entry[]): Promise<void> {
    await forEach(looks, async (look) => {
      const fallback = look.before === 'unknown' ? undefined : look.before
      look.after = await stateAt(look.path, fallback)
    })
  }

  private readNext(): void {
    const folder = this.readers < READERS ? this.unread.shift() : undefined
    if (!folder) return
    this.readers++
    void this.read(folder).finally(() => {
      this.readers--
      this.readNext()
    })
  }

  private async read(folder: Folder): Promise<void> {
    let entries: Map<string, State>
    let at: string
    do {
      at = folder.path
      entries = await entriesOf(at)
      // Events of what was seen here must find that the folder has not been read yet.
      await nextTurn()
    } while (folder.path !== at)
    if (folder.closed) return
    folder.entries = entries
    if (folder.marks.size > 0 || folder.stale) this.schedule()
  }

  private fail(error: unknown): void {
    const warning = limitWarning(error, this.machine)
    if (!warning || this.told.has(warning.text)) return
    this.told.add(warning.text)
    this.emit('warning', warning)
  }
}

async function entriesOf(folder: string): Promise<Map<string, State>> {
  const entries = new Map<string, State>()
  await forEach(await readdir(folder).catch(() => []), async (name) => {
    const state = await stateAt(path.join(folder, name), undefined)
    if (state) entries.set(name, state)
  })
  return entries
}

/** What is at a path, undefined if nothing; `fallback` if that cannot be told. */
async function stateAt(at: string, fallback: State | undefined): Promise<State | undefined> {
  try {
    return stateOf(await lstat(at))
  } catch (error) {
    const errno = errnoOf(error)
    return errno === 'ENOENT' || errno === 'ENOTDIR' ? undefined : fallback
  }
}

async function forEach<T>(items: Iterable<T>, job: (item: T) => Promise<void>): Promise<void> {
  const iterator = items[Symbol.iterator]()
  const worker = async () => {
    for (let next = iterator.next(); !next.done; next = iterator.next()) await job(next.value)
  }
  await Promise.all(Array.from({ length: PARALLEL }, worker))
}
