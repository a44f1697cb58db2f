import { EventEmitter } from 'node:events'
import { connect, type Socket } from 'node:net'
import { TcolimaError } from '../host/errors.ts'
import { type GuestMessage, type HostMessage, parseGuestMessage } from './protocol.ts'

// A line longer than this is not from our script.
const longestLine = 4 * 2 ** 20

// Bytes.
const mostUnread = 65_536

/**
 * The host's end of the virtio-serial port `tcolima.guest`. Emits `message` for each message of the guest, and `close`
 * once, when QEMU ended or let go.
 */
export class GuestLink extends EventEmitter<{ message: [GuestMessage]; close: [] }> {
  readonly #socket: Socket

  private constructor(socket: Socket) {
    super()
    this.#socket = socket
    let rest = ''
    socket.setEncoding('utf8')
    socket.on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop() ?? ''
      if (rest.length > longestLine) rest = ''
      for (const line of lines) {
        const message = parseGuestMessage(line)
        if (message) this.emit('message', message)
      }
    })
    socket.on('error', () => socket.destroy())
    socket.on('close', () => this.emit('close'))
  }

  /** Connects to QEMU's end of the port, a Unix socket path; throws `failed` when it is not there. */
  static async connect(path: string): Promise<GuestLink> {
    const socket = connect({ path })
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', (error) =>
        reject(new TcolimaError('failed', `no link to the guest: ${error.message}`, { cause: error })),
      )
    })
    return new GuestLink(socket)
  }

  send(message: HostMessage): void {
    this.#socket.write(`${JSON.stringify(message)}\n`)
  }

  /** The same for an answer: a guest that asks on and on and reads nothing gets none, and costs no memory. */
  answer(message: HostMessage): void {
    if (this.#socket.writableLength < mostUnread) this.send(message)
  }

  close(): void {
    this.#socket.destroy()
  }
}
