import { EventEmitter } from 'node:events'
import { connect, type Socket } from 'node:net'
import { TcolimaError } from '../host/errors.ts'

/** An event of QEMU's machine protocol (QEMU manual, "QEMU QMP Reference Manual"). */
export interface QmpEvent {
  event: string
  data?: Record<string, unknown>
}

interface QmpReply {
  id?: number
  return?: unknown
  error?: { class: string; desc: string }
  event?: string
  data?: Record<string, unknown>
  QMP?: unknown
}

interface Waiting {
  resolve: (value: unknown) => void
  reject: (error: Error) => void
  timer: NodeJS.Timeout
}

// QEMU's main loop answers at once; under load of software emulation a second was seen.
const answerLimitMs = 15_000

/**
 * A connection to QEMU's monitor, QMP (docs/interop/qmp-spec in QEMU's source). Emits `event` (a QmpEvent) and `close`,
 * once, when QEMU or `close` ended it.
 */
export class Qmp extends EventEmitter<{ event: [QmpEvent]; close: [] }> {
  readonly #socket: Socket
  readonly #waiting = new Map<number, Waiting>()
  #nextId = 1
  #closed = false

  private constructor(socket: Socket) {
    super()
    this.#socket = socket
  }

  /**
   * Connects to the monitor at a Unix socket path and negotiates. Throws `failed` when nobody answers there within
   * `limitMs`.
   */
  static async connect(path: string, limitMs = answerLimitMs): Promise<Qmp> {
    const socket = connect({ path })
    const qmp = new Qmp(socket)
    await new Promise<void>((resolve, reject) => {
      const fail = (error?: Error) => {
        clearTimeout(timer)
        socket.destroy()
        reject(
          new TcolimaError('failed', `QEMU's monitor does not answer${error ? `: ${error.message}` : ''}`, {
            cause: error,
          }),
        )
      }
      const timer = setTimeout(fail, limitMs)
      socket.once('error', fail)
      const early = () => fail()
      socket.once('close', early)
      qmp.#listen(() => {
        clearTimeout(timer)
        socket.off('error', fail)
        socket.off('close', early)
        socket.on('error', () => socket.destroy())
        resolve()
      })
    })
    try {
      await qmp.execute('qmp_capabilities')
    } catch (error) {
      // QEMU serves one client at a time: a half-open one would keep the next out.
      qmp.close()
      throw error
    }
    return qmp
  }

  /** Runs a command; gives its `return` value. Throws `failed` with QEMU's words, or when the connection ends. */
  async execute(command: string, args?: Record<string, unknown>): Promise<unknown> {
    if (this.#closed) throw new TcolimaError('failed', `QEMU is gone (${command})`)
    const id = this.#nextId++
    return await new Promise<unknown>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id)
        reject(new TcolimaError('failed', `QEMU did not answer ${command} within ${answerLimitMs / 1000} s`))
      }, answerLimitMs)
      this.#waiting.set(id, { resolve, reject, timer })
      this.#socket.write(`${JSON.stringify({ execute: command, arguments: args, id })}\n`)
    })
  }

  /** Runs a command of the human monitor; gives its text, in which errors stand too. */
  async human(line: string): Promise<string> {
    return String(await this.execute('human-monitor-command', { 'command-line': line })).trim()
  }

  close(): void {
    this.#socket.destroy()
  }

  #listen(onGreeting: () => void): void {
    let rest = ''
    this.#socket.setEncoding('utf8')
    this.#socket.on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        if (line.trim() !== '') this.#take(JSON.parse(line) as QmpReply, onGreeting)
      }
    })
    this.#socket.on('close', () => this.#end())
  }

  #take(reply: QmpReply, onGreeting: () => void): void {
    if (reply.QMP !== undefined) {
      onGreeting()
      return
    }
    if (reply.event !== undefined) {
      this.emit('event', { event: reply.event, ...(reply.data ? { data: reply.data } : {}) })
      return
    }
    const waiting = reply.id === undefined ? undefined : this.#waiting.get(reply.id)
    if (waiting === undefined || reply.id === undefined) return
    this.#waiting.delete(reply.id)
    clearTimeout(waiting.timer)
    if (reply.error) waiting.reject(new TcolimaError('failed', `QEMU: ${reply.error.desc}`))
    else waiting.resolve(reply.return)
  }

  #end(): void {
    if (this.#closed) return
    this.#closed = true
    for (const waiting of this.#waiting.values()) {
      clearTimeout(waiting.timer)
      waiting.reject(new TcolimaError('failed', 'QEMU ended'))
    }
    this.#waiting.clear()
    this.emit('close')
  }
}
