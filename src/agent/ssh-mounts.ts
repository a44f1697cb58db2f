import type { Duplex } from 'node:stream'
import { delay } from '../host/delay.ts'
import { messageOf } from '../host/errors.ts'
import type { SshConnection } from '../ssh/connection.ts'

// Milliseconds before another connection is asked for when there was none.
const pauseMs = 1000
// Where the guest looks for the sockets: guest/rootfs/usr/lib/tcolima/guest, `start_sshfs`.
const socketFolder = '/run/tcolima/ssh'

/** What is needed of an SSH connection to the guest. */
export type Listener = Pick<SshConnection, 'listenUnix' | 'unlistenUnix' | 'open' | 'on' | 'off'>

/**
 * The streams of mounts that have no port: the guest's sshd listens on a Unix socket for each, and what connects there
 * comes over the agent's SSH connection. While there are such mounts the connection is kept up.
 */
export class SshMounts {
  readonly #connect: (signal: AbortSignal) => Promise<Listener>
  readonly #log: (line: string) => void
  readonly #folder: string
  readonly #places = new Map<number, Newest>()
  #connection: Listener | undefined
  #stop: AbortController | undefined

  /** `connect` gives a connection as soon as there can be one; `folder` is the guest's, for the sockets. */
  constructor(
    connect: (signal: AbortSignal) => Promise<Listener>,
    log: (line: string) => void,
    folder = socketFolder,
  ) {
    this.#connect = connect
    this.#log = log
    this.#folder = folder
  }

  /** The next stream of a mount; undefined once its `signal`, the same at each call, is aborted. */
  async next(index: number, signal: AbortSignal): Promise<Duplex | undefined> {
    if (signal.aborted) return undefined
    return await (this.#places.get(index) ?? this.#open(index, signal)).take()
  }

  #open(index: number, signal: AbortSignal): Newest {
    const place = new Newest()
    this.#places.set(index, place)
    signal.addEventListener('abort', () => this.#close(index, place), { once: true })
    if (this.#connection) void this.#listen(this.#connection, index, place)
    if (!this.#stop) {
      this.#stop = new AbortController()
      void this.#keep(this.#stop.signal)
    }
    return place
  }

  #close(index: number, place: Newest): void {
    this.#places.delete(index)
    place.end()
    // The socket goes with the connection at the latest.
    void this.#connection?.unlistenUnix(this.#socket(index)).catch(() => undefined)
    if (this.#places.size > 0) return
    this.#stop?.abort()
    this.#stop = undefined
    this.#connection = undefined
  }

  async #keep(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const connection = await this.#connect(signal).catch((error: unknown) => {
        if (!signal.aborted) this.#log(`mounts over SSH: ${messageOf(error)}`)
      })
      if (signal.aborted) return
      if (!connection?.open) {
        await delay(pauseMs, signal)
        continue
      }
      this.#connection = connection
      for (const [index, place] of this.#places) void this.#listen(connection, index, place)
      await closed(connection, signal)
      if (this.#connection === connection) this.#connection = undefined
    }
  }

  #socket(index: number): string {
    return `${this.#folder}/mount.${index}.sock`
  }

  async #listen(connection: Listener, index: number, place: Newest): Promise<void> {
    try {
      await connection.listenUnix(this.#socket(index), (stream) => place.put(stream))
    } catch (error) {
      this.#log(`mount ${index} over SSH: ${messageOf(error)}`)
    }
  }
}

async function closed(connection: Listener, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = () => {
      connection.off('close', done)
      signal.removeEventListener('abort', done)
      resolve()
    }
    connection.on('close', done)
    signal.addEventListener('abort', done)
  })
}

/** A mount has one client: when it connects anew it has given up its connection before, whether or not that shows. */
class Newest {
  #stream: Duplex | undefined
  #taken = false
  #ended = false
  #wake: () => void = () => undefined

  put(stream: Duplex): void {
    // Nobody may hold it yet; its `close` tells.
    stream.on('error', () => undefined)
    this.#stream?.destroy()
    this.#stream = stream
    this.#taken = false
    if (this.#ended) stream.destroy()
    this.#wake()
  }

  /** Waits for one that nobody has taken; gives undefined at the end. */
  async take(): Promise<Duplex | undefined> {
    while (!this.#ended) {
      if (this.#stream && !this.#taken && !this.#stream.destroyed) {
        this.#taken = true
        return this.#stream
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    return undefined
  }

  end(): void {
    this.#ended = true
    this.#stream?.destroy()
    this.#wake()
  }
}
