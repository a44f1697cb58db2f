import { EventEmitter } from 'node:events'
import { messageOf } from '../host/errors.ts'
import type { Forwarder } from './forwarder.ts'
import { type Listener, parseListener } from './listeners.ts'
import { forwardKey, type PlannedForward, planForwards, type PlanSettings } from './plan.ts'
import { isTaken } from './refusal.ts'

/** A forward as users see it. */
export interface ForwardStatus extends Omit<PlannedForward, 'refused'> {
  state: 'active' | 'failed'
  /** Why it failed. */
  reason?: string
  /** Whether it leads from the guest to the host. */
  reverse?: true
}

/** What the forwards depend on; `rules` and `ipv6` are empty and false unless told. */
export interface ForwardsOptions extends Partial<PlanSettings> {
  internal: PlanSettings['internal']
  forwarders: Record<PlannedForward['via'], Forwarder>
  /** Who has the port of a forward that could not be had, where that is known. */
  holder?: (forward: PlannedForward) => string | undefined
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
  /** What failed, and the same for users, with who is in the way. */
  problem?: string
  reason?: string
}

// Milliseconds between attempts to take ports that were not free, and how many there are at once: taking turns, any number
// of them costs no more than these.
const retryMs = 1000
const retriesAtOnce = 16
// How often, for each change, is looked who has a port.
const mostLooks = 8

/**
 * Makes the host's listening ports follow the guest's. Changes are applied one after the other, in order. Emits `change`
 * after each time that anything of the list may have changed.
 */
export class Forwards extends EventEmitter<{ change: [] }> {
  readonly #options: ForwardsOptions
  #settings: PlanSettings
  readonly #listeners = new Map<string, Listener>()
  readonly #entries = new Map<string, Entry>()
  #work: Promise<void> = Promise.resolve()
  #queued = false
  #looks = 0
  #retry: NodeJS.Timeout | undefined
  #closed = false
  #whole: boolean

  constructor(options: ForwardsOptions) {
    super()
    // Each that watches is one.
    this.setMaxListeners(0)
    this.#options = options
    const { rules = [], internal, ipv6 = false, adopted = [] } = options
    this.#settings = { rules, internal, ipv6 }
    for (const entry of adopted) this.#entries.set(forwardKey(entry.planned), entry)
    this.#whole = adopted.length === 0
    // Some rules need no listener.
    if (rules.length > 0) this.#apply()
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

  /** Goes by other rules from now on; what they leave as it is stays, with its connections. */
  setRules(rules: PlanSettings['rules']): void {
    this.#settings = { ...this.#settings, rules }
    this.#apply()
  }

  /** Resolves when all that was told so far has been applied: what could be opened is open, what had to go is closed. */
  async settled(): Promise<void> {
    await this.#work
  }

  /** All forwards, by host port. */
  list(): ForwardStatus[] {
    return [...this.#entries.values()]
      .map(({ planned: { refused, ...planned }, close, reason }): ForwardStatus => {
        if (close) return { ...planned, state: 'active' }
        return { ...planned, state: 'failed', reason: refused ?? reason ?? 'not yet tried' }
      })
      .sort((a, b) => a.hostPort - b.hostPort)
  }

  /** Whether the forward of a host end (see `forwardKey`) is open. */
  isActive(key: string): boolean {
    return this.#entries.get(key)?.close !== undefined
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
    const plan = planForwards(this.#listeners.values(), this.#settings)
    this.#looks = 0
    for (const [key, entry] of this.#entries) {
      const wanted = plan.get(key)
      if (!wanted || !isSame(wanted, entry.planned)) await this.#drop(key, entry)
    }
    for (const [key, planned] of plan) {
      // It is closed meanwhile: thousands take a while.
      if (this.#closed) return
      if (!this.#entries.has(key)) await this.#open(key, planned)
    }
    this.#retryLater()
    this.emit('change')
  }

  #retryLater(): void {
    clearTimeout(this.#retry)
    this.#retry = undefined
    if (this.#closed || this.#failed().next().done === true) return
    this.#retry = setTimeout(() => {
      this.#work = this.#work.then(() => this.#tryAgain())
    }, retryMs)
  }

  /** Tries those that failed, the ones that waited longest first. */
  async #tryAgain(): Promise<void> {
    let changed = false
    let tries = 0
    this.#looks = 0
    for (const [key, { planned, reason }] of [...this.#failed()]) {
      if (this.#closed || tries++ === retriesAtOnce) break
      // To the end of the list, for the others' turn.
      const before = this.#entries.get(key)
      this.#entries.delete(key)
      await this.#open(key, planned, before)
      changed ||= this.isActive(key) || this.#entries.get(key)?.reason !== reason
    }
    this.#retryLater()
    if (changed) this.emit('change')
  }

  *#failed(): Generator<[string, Entry]> {
    for (const [key, entry] of this.#entries) {
      if (!entry.close && entry.planned.refused === undefined) yield [key, entry]
    }
  }

  async #open(key: string, planned: PlannedForward, before?: Entry): Promise<void> {
    const { refused, via } = planned
    if (refused !== undefined) {
      this.#entries.set(key, { planned })
      this.#options.log(`port ${key}: not forwarded: ${refused}`)
      return
    }
    try {
      const close = await this.#options.forwarders[via].open(planned)
      this.#entries.set(key, { planned, close })
      this.#options.log(`port ${key}: forwarded to guest ${guestText(planned)} (${via})`)
    } catch (error) {
      const problem = messageOf(error)
      // Once a reason, not once a second.
      if (before?.problem === problem) {
        this.#entries.set(key, before)
        return
      }
      const reason = isTaken(error) ? `${problem}${this.#holder(planned)}` : problem
      this.#entries.set(key, { planned, problem, reason })
      this.#options.log(`port ${key}: not forwarded: ${reason}`)
    }
  }

  /** Looking for it is dear, and with many it is the same one. */
  #holder(planned: PlannedForward): string {
    if (this.#looks >= mostLooks) return ''
    this.#looks++
    const holder = this.#options.holder?.(planned)
    return holder === undefined ? '' : ` by ${holder}`
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

function isSame(a: PlannedForward, b: PlannedForward): boolean {
  return (
    a.via === b.via &&
    a.guestAddress === b.guestAddress &&
    a.guestPort === b.guestPort &&
    a.guestSocket === b.guestSocket &&
    a.refused === b.refused
  )
}

function guestText({ guestPort, guestSocket }: PlannedForward): string {
  return guestSocket ?? `port ${guestPort}`
}
