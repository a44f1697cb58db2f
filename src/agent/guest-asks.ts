import { randomInt } from 'node:crypto'
import type { GuestMessage, HostMessage } from '../guest/protocol.ts'

/** Questions to the guest that have a number, and their answers. */
export class GuestAsks {
  readonly #send: (message: HostMessage) => void
  readonly #open = new Map<number, () => void>()
  // The guest may still be answering an earlier agent.
  #last = randomInt(2 ** 31)

  constructor(send: (message: HostMessage) => void) {
    this.#send = send
  }

  /** Asks the guest to look what listens. Resolves when it has told, or when the signal aborts. */
  async look(signal: AbortSignal): Promise<void> {
    await this.#ask((id) => ({ type: 'look', id }), signal)
  }

  /**
   * Resolves when a process of the guest listens on all these TCP ports in its network, has ended, or the signal aborts;
   * the guest itself gives up after `limitMs`.
   */
  async listening(pid: number, ports: number[], limitMs: number, signal: AbortSignal): Promise<void> {
    await this.#ask((id) => ({ type: 'await', id, pid, ports, limit: Math.ceil(limitMs) }), signal)
  }

  /** Takes an answer in; other messages are left alone. */
  take(message: GuestMessage): void {
    if (message.type === 'looked' || message.type === 'awaited') this.#open.get(message.id)?.()
  }

  async #ask(message: (id: number) => HostMessage, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return
    const id = ++this.#last
    await new Promise<void>((resolve) => {
      const done = () => {
        this.#open.delete(id)
        signal.removeEventListener('abort', done)
        resolve()
      }
      this.#open.set(id, done)
      signal.addEventListener('abort', done, { once: true })
      this.#send(message(id))
    })
  }
}
