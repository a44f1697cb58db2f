import type { GuestMessage } from '../guest/protocol.ts'
import { TcolimaError } from '../host/errors.ts'

/** What the guest has told so far in this boot. */
export class GuestState {
  readonly ready = new Set<string>()
  readonly failed = new Set<string>()
  readonly mounts = new Map<number, { state: 'waiting' | 'mounted' | 'failed'; detail: string }>()
  /** Answers to `unmount` that nobody has taken yet: what kept the mount, '' when it is gone. */
  readonly unmounted = new Map<number, string>()
  boot: string | undefined
  /** Of the guest's script; 0 until it said so. */
  version = 0
  readonly #waiting = new Set<() => void>()

  /** Takes a message in; gives whether the guest has booted anew since the last one. */
  take(message: GuestMessage): boolean {
    let rebooted = false
    switch (message.type) {
      case 'hello':
        rebooted = this.boot !== undefined && this.boot !== message.boot
        if (rebooted) this.#forget()
        this.boot = message.boot
        this.version = message.version
        break
      case 'ready':
        this.ready.add(message.subject)
        // A unit that failed may have been started again by hand.
        this.failed.delete(message.subject)
        break
      case 'failed':
        this.failed.add(message.subject)
        break
      case 'mount':
        this.mounts.set(message.index, { state: message.state, detail: message.detail })
        break
      case 'unmounted':
        this.unmounted.set(message.index, message.problem)
        if (message.problem === '') this.mounts.delete(message.index)
        break
      case 'ports':
      case 'watched':
      case 'replayed':
      case 'looked':
      case 'awaited':
      case 'clock':
      case 'set':
        break
    }
    for (const wake of this.#waiting) wake()
    return rebooted
  }

  /**
   * Waits until `condition` gives true, looking after each message. Throws `failed` after `limitMs`, `cancelled` on
   * abort, and what `condition` throws.
   */
  async wait(what: string, condition: () => boolean, limitMs: number, signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const finish = (error?: unknown) => {
        clearTimeout(timer)
        this.#waiting.delete(look)
        signal.removeEventListener('abort', abort)
        if (error === undefined) resolve()
        else reject(TcolimaError.from(error))
      }
      const look = () => {
        try {
          if (condition()) finish()
        } catch (error) {
          finish(error)
        }
      }
      const abort = () => finish(TcolimaError.from(signal.reason))
      const timer = setTimeout(
        () => finish(new TcolimaError('failed', `${what} within ${Math.round(limitMs / 1000)} s`)),
        limitMs,
      )
      if (signal.aborted) {
        abort()
        return
      }
      this.#waiting.add(look)
      signal.addEventListener('abort', abort, { once: true })
      look()
    })
  }

  #forget(): void {
    this.ready.clear()
    this.failed.clear()
    this.mounts.clear()
  }
}
