import { timingSafeEqual } from 'node:crypto'
import { EventEmitter } from 'node:events'
import type { Duplex } from 'node:stream'
import ssh2, { type ClientChannel, type ExecOptions } from 'ssh2'
import { TcolimaError } from '../host/errors.ts'
import { ChannelStream } from './channel-stream.ts'
import { keyBlob } from './keys.ts'

/** Where and as whom to log in. */
export interface SshTarget {
  port: number
  user: string
  /** The private key, OpenSSH format. */
  privateKey: string
  /** The host key that the guest must show, as a public key line. */
  hostKey: string
  /** Whether the guest's processor is emulated: AES is slow there, ChaCha20 is not. */
  emulated: boolean
}

// Milliseconds; under software emulation a handshake takes about 4 s, and more while the guest boots.
const handshakeLimitMs = 60_000
// A dead link is noticed after three unanswered questions.
const keepaliveMs = 10_000

const fastWithHardware = ['aes128-gcm@openssh.com', 'chacha20-poly1305@openssh.com', 'aes128-ctr'] as const
const fastInSoftware = ['chacha20-poly1305@openssh.com', 'aes128-gcm@openssh.com', 'aes128-ctr'] as const

/**
 * One authenticated SSH connection to the guest on a loopback port. Nothing of the user's own SSH files is read. Emits
 * `close` once, when it ended for whatever reason.
 */
export class SshConnection extends EventEmitter<{ close: [] }> {
  readonly #client: ssh2.Client
  /** Who takes the connections to a Unix socket of the guest. */
  readonly #takers = new Map<string, (stream: Duplex) => void>()
  /** Who takes the connections to a TCP port of the guest. */
  readonly #tcpTakers = new Map<number, (stream: Duplex) => void>()
  #open = true

  private constructor(client: ssh2.Client) {
    super()
    this.setMaxListeners(0)
    this.#client = client
    client.on('close', () => {
      this.#open = false
      this.emit('close')
    })
    client.on('unix connection', ({ socketPath }, accept, reject) => {
      const take = this.#takers.get(socketPath)
      if (take) take(this.#stream(accept()))
      else reject()
    })
    client.on('tcp connection', ({ destPort }, accept, reject) => {
      const take = this.#tcpTakers.get(destPort)
      if (take) take(this.#stream(accept(), { keepUnread: true }))
      else reject()
    })
  }

  /** Connects and logs in. Throws `failed` with the reason, `cancelled` on abort. */
  static async connect(target: SshTarget, signal?: AbortSignal): Promise<SshConnection> {
    const client = new ssh2.Client()
    // There may be two for one loss. The close that follows tells.
    client.on('error', () => undefined)
    const wanted = keyBlob(target.hostKey)
    await new Promise<void>((resolve, reject) => {
      const fail = (error: Error) => {
        client.destroy()
        reject(error)
      }
      const abort = () => fail(new TcolimaError('cancelled', 'the SSH connection was cancelled'))
      if (signal?.aborted) {
        abort()
        return
      }
      signal?.addEventListener('abort', abort, { once: true })
      const done = () => signal?.removeEventListener('abort', abort)
      client.once('ready', () => {
        done()
        resolve()
      })
      client.once('error', (error) => {
        done()
        fail(new TcolimaError('failed', `SSH into the guest failed: ${error.message}`, { cause: error }))
      })
      client.once('close', () => {
        done()
        fail(new TcolimaError('failed', 'the guest closed the SSH connection'))
      })
      client.connect({
        host: '127.0.0.1',
        port: target.port,
        username: target.user,
        privateKey: target.privateKey,
        hostVerifier: (key: Buffer) => key.length === wanted.length && timingSafeEqual(key, wanted),
        algorithms: {
          cipher: [...(target.emulated ? fastInSoftware : fastWithHardware)],
          serverHostKey: ['ssh-ed25519'],
        },
        readyTimeout: handshakeLimitMs,
        keepaliveInterval: keepaliveMs,
        keepaliveCountMax: 3,
      })
    })
    // Small packets wait for each other otherwise.
    client.setNoDelay(true)
    return new SshConnection(client)
  }

  get open(): boolean {
    return this.#open
  }

  /** Starts a command; gives its channel (a duplex stream; `stderr`; events `exit` and `close`). */
  async exec(command: string, options: ExecOptions = {}): Promise<ClientChannel> {
    return await this.#asked<ClientChannel>((done) =>
      this.#client.exec(command, { allowHalfOpen: true, ...options }, done),
    )
  }

  /**
   * Opens a stream to a Unix socket of the guest (OpenSSH PROTOCOL, section 2.4). It is destroyed with this connection.
   */
  async openUnix(socket: string): Promise<Duplex> {
    const channel = await this.#asked<ClientChannel>((done) =>
      this.#client.openssh_forwardOutStreamLocal(socket, done),
    )
    return this.#stream(channel, { keepUnread: true })
  }

  /**
   * Opens a stream to a TCP port as seen from inside the guest (RFC 4254, section 7.2). It is destroyed with this
   * connection. A reset by the guest's program comes as an end: SSH knows no other.
   */
  async openTcp(host: string, port: number): Promise<Duplex> {
    const channel = await this.#asked<ClientChannel>((done) =>
      this.#client.forwardOut('127.0.0.1', 0, host, port, done),
    )
    return this.#stream(channel, { keepUnread: true })
  }

  /**
   * Has the guest's sshd listen on a Unix socket, until this connection ends (OpenSSH PROTOCOL, section 2.4); what lies at
   * its place goes. `take` gets each connection that comes there, as a stream that is destroyed with this connection.
   * Throws `failed` when the guest refuses.
   */
  async listenUnix(socket: string, take: (stream: Duplex) => void): Promise<void> {
    // Before the answer: the first connection may come with it.
    this.#takers.set(socket, take)
    await this.#asked<void>((done) => this.#client.openssh_forwardInStreamLocal(socket, done))
  }

  /** Ends what `listenUnix` began; streams stay. Throws `failed` when the guest refuses. */
  async unlistenUnix(socket: string): Promise<void> {
    this.#takers.delete(socket)
    await this.#asked<void>((done) => this.#client.openssh_unforwardInStreamLocal(socket, done))
  }

  /**
   * Has the guest's sshd listen on a port of the guest's loopback, until this connection ends (RFC 4254, section 7.1).
   * `take` gets each connection that comes there. Throws `failed` when the guest refuses: the port is taken, or below 1024.
   */
  async listenTcp(host: '127.0.0.1' | '::1', port: number, take: (stream: Duplex) => void): Promise<void> {
    this.#tcpTakers.set(port, take)
    await this.#asked<number>((done) => this.#client.forwardIn(host, port, done))
  }

  /** Ends what `listenTcp` began; streams stay. Throws `failed` when the guest refuses. */
  async unlistenTcp(host: '127.0.0.1' | '::1', port: number): Promise<void> {
    this.#tcpTakers.delete(port)
    await this.#asked<void>((done) => this.#client.unforwardIn(host, port, done))
  }

  /** Ends the connection and every stream over it. */
  close(): void {
    this.#client.end()
    this.#client.destroy()
  }

  #stream(channel: Duplex, options: { keepUnread?: boolean } = {}): Duplex {
    const stream = new ChannelStream(channel, options)
    const lost = () => stream.destroy()
    this.once('close', lost)
    stream.once('close', () => this.off('close', lost))
    return stream
  }

  async #asked<T>(ask: (done: (error: Error | null | undefined, given: T) => void) => void): Promise<T> {
    return await new Promise<T>((resolve, reject) => {
      if (!this.#open) {
        reject(new TcolimaError('failed', 'the SSH connection to the guest is closed'))
        return
      }
      const gone = () => reject(new TcolimaError('failed', 'the SSH connection to the guest was lost'))
      this.once('close', gone)
      ask((error, given) => {
        this.off('close', gone)
        if (error) reject(new TcolimaError('failed', `the guest refused: ${error.message}`, { cause: error }))
        else resolve(given)
      })
    })
  }
}
