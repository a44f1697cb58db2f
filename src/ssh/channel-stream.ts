import { Duplex } from 'node:stream'

/**
 * A channel of ssh2 as a stream of Node's own kind. A channel that was lost says so only to those that read on, never
 * calls back whoever waits for room in it, and its `destroy` tells nobody; this stream emits `close` in all these cases.
 * Once the channel is closed nothing more can be answered, and what was not read is dropped, unless `keepUnread` is set:
 * then the stream closes when all that came before an end has been read.
 */
export class ChannelStream extends Duplex {
  readonly #channel: Duplex

  constructor(channel: Duplex, { keepUnread = false }: { keepUnread?: boolean } = {}) {
    super({ allowHalfOpen: true })
    this.#channel = channel
    channel.on('data', (chunk: Buffer) => {
      if (!this.push(chunk)) channel.pause()
    })
    let ended = false
    channel.on('end', () => {
      ended = true
      this.push(null)
    })
    channel.on('error', (error) => this.destroy(error))
    channel.on('close', () => {
      if (keepUnread && ended && !this.readableEnded) this.once('end', () => this.destroy())
      else this.destroy()
    })
  }

  override _read(): void {
    this.#channel.resume()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#channel.write(chunk, done)
  }

  /** Small pieces go as one packet: each is encrypted by itself. */
  override _writev(chunks: { chunk: Buffer }[], done: (error?: Error | null) => void): void {
    this.#channel.write(Buffer.concat(chunks.map(({ chunk }) => chunk)), done)
  }

  override _final(done: () => void): void {
    this.#channel.end(() => done())
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#channel.destroy()
    // Unread bytes would keep the channel from its end.
    this.#channel.resume()
    done(error)
  }
}
