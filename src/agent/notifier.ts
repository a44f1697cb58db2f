import { lstatSync, type Stats } from 'node:fs'
import { realpath } from 'node:fs/promises'
import path from 'node:path'
import { messageOf } from '../host/errors.ts'
import { type ReplayStep, Replays } from '../mounts/replay.ts'
import type { ShareObserver } from '../mounts/share.ts'
import { cleanPath } from '../mounts/share-path.ts'
import { GuestWrites } from '../notify/guest-writes.ts'
import type { HostChange, HostWarning, HostWatcher } from '../notify/host-watcher.ts'
import { KnownFolders } from '../notify/known-folders.ts'
import { stepOf, takeBatch } from './replay-steps.ts'

// Folders of a mount that are watched on the host at most.
const mostFolders = 16_384
// Milliseconds the guest has for one replay.
const replayLimitMs = 30_000

/** What a mount's notifier works with. */
export interface NotifierInput {
  /** Runs work while no client of the server can rename anything. */
  still: <T>(work: () => Promise<T>) => Promise<T>
  /** What must outlive this process: paths of a replay under way, and the folders that the guest knows. */
  files: { replays: string; folders: string; ignoredFolders: string }
  /** Tells what of the share, relative to its root, nobody wants to hear of. */
  ignores: (relative: string) => boolean
  makeWatcher: () => Promise<HostWatcher>
  /** Sends a replay to the guest. */
  send: (id: number, steps: readonly ReplayStep[]) => void
  /** Called when the guest has looked at the share: it may have something new that watches. */
  onLook: () => void
  warn: (warning: HostWarning) => void
  log: (line: string) => void
  /** Changes that wait for the guest at most; 50,000 by default. */
  mostWaiting?: number
}

/**
 * Brings the host's changes of one mount to the guest's watchers: watches the folders that the guest knows while
 * anything in the guest watches, and has each change replayed that is not the guest's own.
 */
export class Notifier {
  readonly replays: Replays
  readonly observer: ShareObserver
  readonly #input: NotifierInput
  readonly #folders: KnownFolders
  // Those of ignored names: the guest does not look again when they are ignored no more.
  readonly #ignoredFolders: KnownFolders
  #ignores: (relative: string) => boolean
  readonly #guest = new GuestWrites()
  readonly #queue: ReplayStep[] = []
  #watcher: HostWatcher | undefined
  #wanted = false
  #complete = false
  #turn: Promise<void> = Promise.resolve()
  #lastId = 0
  #inFlight: NodeJS.Timeout | undefined
  #overflowed = false
  /** The shared folder on the host: a real path. Set before a session begins. */
  root = ''

  constructor(input: NotifierInput) {
    this.#input = input
    this.#ignores = input.ignores
    this.replays = new Replays(input.files.replays)
    this.#folders = new KnownFolders(mostFolders, input.files.folders)
    this.#ignoredFolders = new KnownFolders(mostFolders, input.files.ignoredFolders)
    this.observer = {
      begins: () => this.#begin(),
      knows: (place) => this.#knows(Buffer.from(place, 'latin1')),
      changed: (file) => this.#withHostPath(file, (place) => this.#guest.wrote(place, look(place))),
      opened: (file) => this.#withHostPath(file, (place) => this.#guest.opened(place)),
      closed: (file) =>
        this.#withHostPath(file, (place) => {
          this.#guest.wrote(place, look(place))
          this.#guest.closed(place)
        }),
    }
  }

  /** Whether all folders that the guest knows are being watched. */
  get watching(): boolean {
    return this.#complete
  }

  /** Says whether anything in the guest watches this mount. */
  setWatched(watched: boolean): void {
    if (watched === this.#wanted) return
    this.#wanted = watched
    this.#inTurn(() => this.#follow())
  }

  /** Takes another judge of names, for what changes from now on. */
  setIgnores(judge: (relative: string) => boolean): void {
    this.#ignores = judge
    this.#inTurn(() => this.#sortAnew())
  }

  /** The guest has been there before this process, or anew: ends what an earlier agent may have left under way. */
  greet(): void {
    if (this.replays.leftover && this.#inFlight === undefined) this.#send([])
  }

  /** The guest is through with a replay. */
  replayed(id: number): void {
    if (id !== this.#lastId || this.#inFlight === undefined) return
    clearTimeout(this.#inFlight)
    this.#inFlight = undefined
    this.replays.settle()
    this.#pump()
  }

  async close(): Promise<void> {
    this.setWatched(false)
    await this.#turn
    clearTimeout(this.#inFlight)
  }

  #inTurn(work: () => Promise<void>): void {
    this.#turn = this.#turn.then(work).catch((error: unknown) => this.#input.log(messageOf(error)))
  }

  async #follow(): Promise<void> {
    if (this.#wanted === (this.#watcher !== undefined)) return
    if (!this.#wanted) {
      this.#complete = false
      await this.#watcher?.close()
      this.#watcher = undefined
      return
    }
    const watcher = await this.#input.makeWatcher()
    this.#watcher = watcher
    watcher.on('changes', (changes) => this.#take(changes))
    watcher.on('warning', (warning) => this.#input.warn(warning))
    for (const folder of this.#folders.list()) await this.#watch(watcher, folder)
    this.#complete = true
  }

  async #watch(watcher: HostWatcher, folder: string): Promise<void> {
    await this.#input.still(async () => {
      // The guest may have put a link there since it looked.
      if ((await realpath(folder).catch(() => undefined)) === folder) watcher.add(folder)
    })
  }

  /** Watches the folders whose names are ignored no more, and leaves those that are now. */
  async #sortAnew(): Promise<void> {
    const before = new Set(this.#folders.list())
    const all = [...before, ...this.#ignoredFolders.list()]
    this.#folders.clear()
    this.#ignoredFolders.clear()
    for (const folder of all) {
      if (this.#isIgnored(folder)) {
        this.#ignoredFolders.add(folder)
        if (before.has(folder)) this.#watcher?.remove(folder)
      } else {
        const dropped = this.#folders.add(folder)
        if (this.#watcher && !before.has(folder)) await this.#watch(this.#watcher, folder)
        if (dropped !== undefined) this.#forgotten(dropped)
      }
    }
  }

  #begin(): void {
    for (const folder of this.#folders.list()) this.#watcher?.remove(folder)
    this.#folders.clear()
    this.#ignoredFolders.clear()
  }

  #knows(bytes: Buffer): void {
    const place = bytes.toString('utf8')
    // What is not UTF-8 cannot be watched.
    if (!Buffer.from(place).equals(bytes)) return
    if (this.#isIgnored(place)) {
      this.#ignoredFolders.add(place)
      return
    }
    this.#input.onLook()
    const dropped = this.#folders.add(place)
    // Also one that is known: it may be another folder by now.
    this.#watcher?.add(place)
    if (dropped !== undefined) this.#forgotten(dropped)
  }

  #forgotten(folder: string): void {
    this.#watcher?.remove(folder)
    this.#warnOnce(
      `The guest knows more than ${mostFolders} folders of ${this.root}: changes in the others do not reach its watchers`,
    )
  }

  #take(changes: readonly HostChange[]): void {
    for (const told of changes) {
      const change = this.#visible(told)
      if (change === undefined) continue
      const place = change.kind === 'rename' ? change.to : change.path
      const from = change.kind === 'rename' ? change.from : place
      const now = look(place)
      const echo = this.#guest.isEcho(place, now)
      if (echo && (place === from || this.#guest.isEcho(from, undefined))) continue
      const step = stepOf(change, { path: this.#clientPath(place), from: this.#clientPath(from) }, now)
      if (step) this.#queue.push(step)
    }
    const { mostWaiting = 50_000 } = this.#input
    if (this.#queue.length > mostWaiting) {
      this.#queue.length = 0
      this.#warnOnce(
        `More than ${mostWaiting} changes of ${this.root} at once: watchers in the guest do not hear of them`,
      )
    }
    this.#pump()
  }

  /** What is left of a change without ignored names: of a move from or to one, a creation or a removal. */
  #visible(change: HostChange): HostChange | undefined {
    if (change.kind !== 'rename') return this.#isIgnored(change.path) ? undefined : change
    const { from, to, type } = change
    if (this.#isIgnored(to)) return this.#isIgnored(from) ? undefined : { kind: 'delete', path: from, type }
    return this.#isIgnored(from) ? { kind: 'create', path: to, type } : change
  }

  #pump(): void {
    if (this.#inFlight === undefined && this.#queue.length > 0) this.#send(takeBatch(this.#queue))
  }

  #send(steps: readonly ReplayStep[]): void {
    this.#lastId++
    this.replays.expect(steps)
    this.#inFlight = setTimeout(() => {
      this.#input.log('the guest does not replay')
      this.#inFlight = undefined
      this.replays.abandon()
      this.#pump()
    }, replayLimitMs)
    this.#input.send(this.#lastId, steps)
  }

  #isIgnored(place: string): boolean {
    return this.#ignores(path.relative(this.root, place))
  }

  #withHostPath(client: string, work: (place: string) => void): void {
    const bytes = Buffer.from(cleanPath(client), 'latin1')
    const text = bytes.toString('utf8')
    // What is not UTF-8 cannot be watched.
    if (!Buffer.from(text).equals(bytes)) return
    const place = text === '/' ? this.root : path.join(this.root, text)
    if (!this.#isIgnored(place)) work(place)
  }

  #clientPath(place: string): string {
    return Buffer.from(`/${path.relative(this.root, place)}`).toString('latin1')
  }

  #warnOnce(text: string): void {
    if (this.#overflowed) return
    this.#overflowed = true
    this.#input.warn({
      text,
      hint: 'Mount a smaller folder, or add names to mountInotifyIgnore in tcolima.yaml.',
    })
  }
}

function look(place: string): Stats | undefined {
  try {
    return lstatSync(place, { throwIfNoEntry: false })
  } catch {
    return undefined // a file by now where a folder was, or not to be read
  }
}
