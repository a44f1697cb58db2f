import { delay } from '../host/delay.ts'
import { TcolimaError } from '../host/errors.ts'
import type { SshConnection } from './connection.ts'

// Milliseconds between attempts; the first follows at once.
const firstPauseMs = 200
const longestPauseMs = 5000

/**
 * Keeps one SSH connection to a guest: the first caller of `get` opens it, all share it, and a lost one is opened again
 * when it is next needed.
 */
export class SshLink {
  readonly #open: (signal: AbortSignal) => Promise<SshConnection>
  readonly #stop = new AbortController()
  #current: Promise<SshConnection> | undefined
  #established: SshConnection | undefined
  readonly #onLost: () => void

  /** `open` makes a connection; `onLost` is called each time an established one is lost. */
  constructor(open: (signal: AbortSignal) => Promise<SshConnection>, onLost: () => void = () => undefined) {
    this.#open = open
    this.#onLost = onLost
  }

  /** Gives the connection; tries until there is one. Throws what the last attempt threw after `limitMs`. */
  async get(limitMs = 60_000): Promise<SshConnection> {
    if (this.#established?.open) return this.#established
    this.#current ??= this.#connect(limitMs).finally(() => {
      this.#current = undefined
    })
    return await this.#current
  }

  /** Ends the connection for good. */
  close(): void {
    this.#stop.abort()
    this.#established?.close()
  }

  async #connect(limitMs: number): Promise<SshConnection> {
    const signal = this.#stop.signal
    const until = performance.now() + limitMs
    let pause = firstPauseMs
    for (;;) {
      try {
        const connection = await this.#open(signal)
        this.#established = connection
        connection.once('close', () => {
          if (this.#established === connection) this.#established = undefined
          if (!signal.aborted) this.#onLost()
        })
        return connection
      } catch (error) {
        if (signal.aborted || performance.now() + pause > until) throw TcolimaError.from(error)
        await delay(pause, signal)
        pause = Math.min(pause * 2, longestPauseMs)
      }
    }
  }
}
