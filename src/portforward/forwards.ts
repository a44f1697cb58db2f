import { messageOf } from '../host/errors.ts'
import type { Forwarder } from './forwarder.ts'
import { type Listener, parseListener } from './listeners.ts'
import { forwardKey, type PlannedForward, planForwards } from './plan.ts'

/** A forward as users see it. */
export interface ForwardStatus extends PlannedForward {
  state: 'active' | 'failed'
  /** Why it failed. */
  reason?: string
}

/** What the forwards depend on. */
export interface ForwardsOptions {
  forwarders: Record<PlannedForward['via'], Forwarder>
  /** Guest ports that never appear on the host. */
  internal: ReadonlySet<number>
  log: (line: string) => void
  /**
   * Forwards that are there already, of an earlier agent. Nothing is done until the guest has told its whole list: those
   * that are still wanted stay as they are, with their connections, the others are closed.
   */
  adopted?: { planned: PlannedForward; close: () => Promise<void> }[]
}

interface Entry {
  planned: PlannedForward
  close?: () => Promise<void>
  reason?: string
}

// Milliseconds between attempts to take a port that was not free.
const retryMs = 1000

/** Makes the host's listening ports follow the guest's. Changes are applied one after the other, in order. */
export class Forwards {
  readonly #options: ForwardsOptions
  readonly #listeners = new Map<string, Listener>()
  readonly #entries = new Map<string, Entry>()
  #work: Promise<void> = Promise.resolve()
  #queued = false
  #retry: NodeJS.Timeout | undefined
  #closed = false
  #whole: boolean

  constructor(options: ForwardsOptions) {
    this.#options = options
    const { adopted = [] } = options
    for (const entry of adopted) this.#entries.set(forwardKey(entry.planned), entry)
    this.#whole = adopted.length === 0
  }

  /** Takes what the guest told: listeners that came and went (see `parseListener`); `whole`: these are all there are. */
  update(add: string[], remove: string[], whole: boolean): void {
    if (whole) {
      this.#listeners.clear()
      this.#whole = true
    }
    for (const text of remove) this.#listeners.delete(text)
    for (const text of add) {
      const listener = parseListener(text)
      if (listener) this.#listeners.set(text, listener)
    }
    this.#apply()
  }

  /** Resolves when all that was told so far has been applied: what could be opened is open, what had to go is closed. */
  async settled(): Promise<void> {
    await this.#work
  }

  /** All forwards, by host port. */
  list(): ForwardStatus[] {
    return [...this.#entries.values()]
      .map(
        ({ planned, close, reason }): ForwardStatus =>
          close
            ? { ...planned, state: 'active' }
            : { ...planned, state: 'failed', reason: reason ?? 'not yet tried' },
      )
      .sort((a, b) => a.hostPort - b.hostPort)
  }

  /** Closes every forward. */
  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#retry)
    await this.#work
    for (const [key, entry] of this.#entries) await this.#drop(key, entry)
  }

  #apply(): void {
    if (this.#queued || this.#closed || !this.#whole) return
    this.#queued = true
    this.#work = this.#work.then(async () => {
      this.#queued = false
      await this.#reconcile()
    })
  }

  async #reconcile(): Promise<void> {
    if (this.#closed) return
    const plan = planForwards(this.#listeners.values(), this.#options.internal)
    for (const [key, entry] of this.#entries) {
      const wanted = plan.get(key)
      if (!wanted || leadsElsewhere(wanted, entry.planned)) {
        await this.#drop(key, entry)
      }
    }
    for (const [key, planned] of plan) {
      if (!this.#entries.get(key)?.close) await this.#open(key, planned)
    }
    clearTimeout(this.#retry)
    const failed = [...this.#entries.values()].some((entry) => !entry.close)
    this.#retry = failed && !this.#closed ? setTimeout(() => this.#apply(), retryMs) : undefined
  }

  async #open(key: string, planned: PlannedForward): Promise<void> {
    const before = this.#entries.get(key)
    try {
      const close = await this.#options.forwarders[planned.via].open(planned)
      this.#entries.set(key, { planned, close })
      this.#options.log(`port ${key}: forwarded to guest port ${planned.guestPort} (${planned.via})`)
    } catch (error) {
      const reason = messageOf(error)
      this.#entries.set(key, { planned, reason })
      // Once a reason, not once a second.
      if (before?.reason !== reason) this.#options.log(`port ${key}: not forwarded: ${reason}`)
    }
  }

  async #drop(key: string, entry: Entry): Promise<void> {
    this.#entries.delete(key)
    try {
      await entry.close?.()
      if (entry.close) this.#options.log(`port ${key}: withdrawn`)
    } catch (error) {
      this.#options.log(`port ${key}: ${messageOf(error)}`)
    }
  }
}

function leadsElsewhere(a: PlannedForward, b: PlannedForward): boolean {
  return a.via !== b.via || a.guestAddress !== b.guestAddress || a.guestPort !== b.guestPort
}
