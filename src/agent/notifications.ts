import { rm } from 'node:fs/promises'
import type { MountSpec } from '../config/mounts.ts'
import type { GuestMessage, HostMessage } from '../guest/protocol.ts'
import { stepsText } from '../mounts/replay-text.ts'
import type { HostWarning } from '../notify/host-watcher.ts'
import { ignores } from '../notify/ignores.ts'
import { Notifier, type NotifierInput } from './notifier.ts'

// Milliseconds between two looks of the guest for what watches: the first two, and while mounts stay in use.
const firstPauseMs = 1000
const longestPauseMs = 4000

/** What all notifiers of a machine share. */
export interface NotificationsInput {
  /** Whether they are wanted at first. */
  on: boolean
  /** Names that nobody wants to hear of at first. */
  ignore: readonly string[]
  /** Where the notifier of a mount keeps what must outlive the agent. */
  files: (index: number) => NotifierInput['files']
  send: (message: HostMessage) => void
  /** Runs work while no client of the servers can rename anything. */
  still: <T>(work: () => Promise<T>) => Promise<T>
  warn: (warning: HostWarning) => void
  log: (line: string) => void
}

/** The notifiers of a machine's mounts, and the guest's word on which of them anything watches. */
export class Notifications {
  readonly #input: NotificationsInput
  #ignores: (relative: string) => boolean
  readonly #notifiers = new Map<number, Notifier>()
  #timer: NodeJS.Timeout | undefined
  #again = false
  #pauseMs = firstPauseMs / 2
  #closed = false
  #on: boolean

  constructor(input: NotificationsInput) {
    this.#input = input
    this.#ignores = ignores(input.ignore)
    this.#on = input.on
  }

  /** Makes the notifier of a mount; it rests until the guest says that something watches there. */
  add(index: number, mount: MountSpec): Notifier {
    const { files, send, still, warn, log } = this.#input
    const notifier = new Notifier({
      still,
      files: files(index),
      ignores: this.#ignores,
      makeWatcher: async () => {
        // Only where something watches.
        const { FsWatcher } = await import('../notify/fs-watcher.ts')
        return new FsWatcher({ still })
      },
      send: (id, steps) => send({ type: 'replay', index, id, steps: stepsText(steps) }),
      onLook: () => this.#look(),
      warn,
      log: (line) => log(`notify ${mount.mountPoint}: ${line}`),
    })
    this.#notifiers.set(index, notifier)
    return notifier
  }

  /** Ends the notifier of a mount that is gone. */
  async remove(index: number): Promise<void> {
    const notifier = this.#notifiers.get(index)
    this.#notifiers.delete(index)
    await notifier?.close()
    for (const file of Object.values(this.#input.files(index))) await rm(file, { force: true })
  }

  /** Whether a mount's folders are being watched. */
  isWatched(index: number): boolean {
    return this.#notifiers.get(index)?.watching ?? false
  }

  /** Goes on to tell the guest of changes, or stops: the mounts stay as they are. */
  setOn(on: boolean): void {
    this.#on = on
    if (on) this.#look()
    else for (const notifier of this.#notifiers.values()) notifier.setWatched(false)
  }

  /** Takes other names that nobody wants to hear of, in the place of the former ones. */
  setIgnore(names: readonly string[]): void {
    this.#ignores = ignores(names)
    for (const notifier of this.#notifiers.values()) notifier.setIgnores(this.#ignores)
  }

  /** Takes what the guest says. */
  take(message: GuestMessage): void {
    if (message.type === 'watched') {
      for (const [index, notifier] of this.#notifiers) {
        notifier.setWatched(this.#on && message.indexes.includes(index))
      }
    } else if (message.type === 'replayed') {
      this.#notifiers.get(message.index)?.replayed(message.id)
    } else if (message.type === 'mount' && message.state === 'mounted') {
      this.#notifiers.get(message.index)?.greet()
      this.#look()
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    await Promise.all([...this.#notifiers.values()].map((notifier) => notifier.close()))
  }

  /**
   * Has the guest look for watchers: at once, then less and less often while mounts are in use, and once more after that,
   * for what was looked at is watched a moment later.
   */
  #look(): void {
    this.#again = true
    if (this.#on && !this.#closed && this.#timer === undefined) this.#ask()
  }

  #ask(): void {
    const used = this.#again
    this.#again = false
    this.#input.send({ type: 'watched' })
    this.#pauseMs = used ? Math.min(this.#pauseMs * 2, longestPauseMs) : firstPauseMs / 2
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      if (this.#again || used) this.#ask()
    }, this.#pauseMs)
  }
}
