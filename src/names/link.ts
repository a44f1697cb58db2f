import { connect, type Socket } from 'node:net'
import { messageOf, TcolimaError } from '../host/errors.ts'

/** What answers the queries of a guest. */
export type Answerer = (query: Buffer, transport: 'udp' | 'tcp') => Promise<Buffer | undefined>

// Characters of a line at most: a query of 8 KiB in hexadecimal, and its head.
const longestLine = 20_000

/**
 * The host's end of the virtio-serial port `tcolima.names`: answers the guest's queries (see guest/…/resolve for its lines)
 * and tells it the host's search domains. Ends with QEMU.
 */
export class NamesLink {
  readonly #socket: Socket
  readonly #answer: Answerer
  #search: readonly string[]
  #greeted = false

  private constructor(socket: Socket, answer: Answerer, search: readonly string[]) {
    this.#socket = socket
    this.#answer = answer
    this.#search = search
    let rest = ''
    socket.setEncoding('latin1')
    socket.on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop() ?? ''
      if (rest.length > longestLine) rest = ''
      for (const line of lines) this.#take(line)
    })
    socket.on('error', () => socket.destroy())
  }

  /** Connects to QEMU's end of the port, a Unix socket path; throws `failed` when it is not there. */
  static async connect(path: string, answer: Answerer, search: readonly string[]): Promise<NamesLink> {
    const socket = connect({ path })
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', (error) =>
        reject(
          new TcolimaError('failed', `no link for the guest's names: ${messageOf(error)}`, { cause: error }),
        ),
      )
    })
    return new NamesLink(socket, answer, search)
  }

  /** Tells the guest the host's search domains, where they differ from those it was told. */
  setSearch(search: readonly string[]): void {
    if (search.join(' ') === this.#search.join(' ')) return
    this.#search = search
    if (this.#greeted) this.#tellSearch()
  }

  close(): void {
    this.#socket.destroy()
  }

  #take(line: string): void {
    // Its program has started, or sees us for the first time.
    if (line === 'hello') {
      this.#greeted = true
      this.#tellSearch()
    }
    const { id, how, hex } =
      /^q (?<id>\d{1,15}) (?<how>[ut]) (?<hex>(?:[0-9a-f]{2})+)$/.exec(line)?.groups ?? {}
    if (id === undefined || hex === undefined) return
    void this.#answer(Buffer.from(hex, 'hex'), how === 't' ? 'tcp' : 'udp').then((answer) => {
      if (answer && !this.#socket.destroyed) this.#socket.write(`a ${id} ${answer.toString('hex')}\n`)
    })
  }

  #tellSearch(): void {
    this.#socket.write(`${['search', ...this.#search].join(' ')}\n`)
  }
}
