import type { Duplex } from 'node:stream'

/**
 * Writes replies to a stream. While the stream is full, replies wait here and not in the stream, so that they can
 * still be dropped: what a dead client did not read must not be the first thing the next one reads.
 */
export class Sender {
  private waiting: Buffer[] = []
  private corked = false
  private full = false
  private readonly stream: Duplex
  private readonly onFree: () => void

  /** Takes the stream, and what to call when there is room again. */
  constructor(stream: Duplex, onFree: () => void) {
    this.stream = stream
    this.onFree = onFree
    stream.on('drain', () => this.drained())
  }

  /** Whether nothing more should be asked for until there is room. */
  get blocked(): boolean {
    return this.full
  }

  /** Sends a reply, now or when there is room. */
  send(reply: Buffer): void {
    if (this.stream.destroyed || this.stream.writableEnded) return
    if (this.full) {
      this.waiting.push(reply)
      return
    }
    this.cork()
    this.full = !this.stream.write(reply)
  }

  /** Drops all replies that the stream has not taken yet. */
  drop(): void {
    this.waiting = []
  }

  // Many small replies in one turn of the event loop become one write to the system.
  private cork(): void {
    if (this.corked) return
    this.corked = true
    this.stream.cork()
    setImmediate(() => {
      this.corked = false
      this.stream.uncork()
    })
  }

  private drained(): void {
    this.full = false
    const waiting = this.waiting
    this.waiting = []
    for (const reply of waiting) this.send(reply)
    if (!this.full) this.onFree()
  }
}
