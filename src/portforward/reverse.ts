import { EventEmitter } from 'node:events'
import { connect, type Socket } from 'node:net'
import { isDeepStrictEqual } from 'node:util'
import type { Duplex } from 'node:stream'
import type { PortForward } from '../config/port-forwards.ts'
import { delay } from '../host/delay.ts'
import { messageOf } from '../host/errors.ts'
import { connectablePath } from '../host/sockets.ts'
import type { SshConnection } from '../ssh/connection.ts'
import { joinStreams } from '../ssh/join.ts'
import type { ForwardStatus } from './forwards.ts'

/** What is needed of an SSH connection to the guest. */
export type ReverseConnection = Pick<
  SshConnection,
  'listenUnix' | 'listenTcp' | 'unlistenUnix' | 'unlistenTcp' | 'open' | 'on' | 'off'
>

/** What the reverse forwards depend on. */
export interface ReverseOptions {
  /** Rules with `reverse`; sockets of the host with absolute paths. */
  rules: readonly PortForward[]
  /** Gives a connection as soon as there can be one. */
  connect: (signal: AbortSignal) => Promise<ReverseConnection>
  platform: 'linux' | 'darwin'
  log: (line: string) => void
}

// Milliseconds before another connection is asked for when there was none, and between attempts of the guest's ports.
const pauseMs = 1000

/**
 * Ports and sockets of the host that appear in the guest: its sshd listens for them, as its user. They are made anew with
 * each SSH connection, which is kept up while there are any. Emits `change` when the list changed.
 */
export class ReverseForwards extends EventEmitter<{ change: [] }> {
  readonly #options: ReverseOptions
  readonly #stop = new AbortController()
  readonly #states = new Map<PortForward, { state: 'active' | 'failed'; reason?: string }>()
  #rules: readonly PortForward[]
  /** Of the rules, until there are others. */
  #current = new AbortController()
  #work: Promise<void> | undefined

  constructor(options: ReverseOptions) {
    super()
    this.setMaxListeners(0)
    this.#options = options
    this.#rules = []
    this.setRules(options.rules)
  }

  /** Goes by other rules from now on; those that stay keep their connections. */
  setRules(rules: readonly PortForward[]): void {
    // What is known of a rule is known by the rule itself.
    const kept = (wanted: PortForward) =>
      this.#rules.find((rule) => isDeepStrictEqual(rule, wanted)) ?? wanted
    this.#rules = rules.map(kept)
    for (const rule of this.#states.keys()) if (!this.#rules.includes(rule)) this.#states.delete(rule)
    this.#current.abort()
    this.#current = new AbortController()
    if (this.#rules.length > 0) this.#work ??= this.#keep()
    this.emit('change')
  }

  list(): ForwardStatus[] {
    return this.#rules.map((rule): ForwardStatus => {
      const { hostIP, hostPorts, hostSocket, guestIP, guestPorts, guestSocket } = rule
      return {
        proto: 'tcp',
        hostAddress: hostSocket === undefined ? hostIP : '',
        hostPort: hostPorts?.[0] ?? 0,
        ...(hostSocket === undefined ? {} : { hostSocket }),
        via: 'ssh',
        guestAddress: guestSocket === undefined ? guestIP : '',
        guestPort: guestPorts?.[0] ?? 0,
        ...(guestSocket === undefined ? {} : { guestSocket }),
        reverse: true,
        ...(this.#states.get(rule) ?? { state: 'failed', reason: 'the guest is not there yet' }),
      }
    })
  }

  /** Ends them; the guest's ends go with the SSH connection. */
  async close(): Promise<void> {
    this.#stop.abort()
    await this.#work
  }

  async #keep(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      const connection = await this.#options.connect(signal).catch(() => undefined)
      if (signal.aborted) return
      if (connection?.open) {
        await this.#open(connection)
        for (const rule of this.#rules) {
          this.#set(rule, { state: 'failed', reason: 'the SSH connection was lost' })
        }
      } else await delay(pauseMs, signal).catch(() => undefined)
    }
  }

  /** Listens for all over a connection, tries those again that failed, until the connection ends. */
  async #open(connection: ReverseConnection): Promise<void> {
    const ended = new AbortController()
    const end = () => ended.abort()
    connection.on('close', end)
    this.#stop.signal.addEventListener('abort', end)
    const open = new Set<PortForward>()
    try {
      while (!ended.signal.aborted) {
        const current = this.#current.signal
        for (const rule of [...open]) {
          if (this.#rules.includes(rule)) continue
          open.delete(rule)
          await this.#unlisten(connection, rule)
        }
        for (const rule of this.#rules) {
          if (open.has(rule) || ended.signal.aborted) continue
          try {
            await this.#listen(connection, rule)
            open.add(rule)
            this.#set(rule, { state: 'active' })
          } catch (error) {
            if (!ended.signal.aborted) this.#set(rule, { state: 'failed', reason: messageOf(error) })
          }
        }
        const next = AbortSignal.any([ended.signal, current])
        if (this.#rules.every((rule) => open.has(rule))) await aborted(next)
        else await delay(pauseMs, next).catch(() => undefined)
      }
    } finally {
      connection.off('close', end)
      this.#stop.signal.removeEventListener('abort', end)
    }
  }

  async #listen(connection: ReverseConnection, rule: PortForward): Promise<void> {
    const { guestSocket, guestPorts, guestIP } = rule
    const take = (stream: Duplex) => this.#join(stream, rule)
    if (guestSocket === undefined) {
      await connection.listenTcp(guestIP === '::1' ? '::1' : '127.0.0.1', guestPorts?.[0] ?? 0, take)
    } else await connection.listenUnix(guestSocket, take)
  }

  async #unlisten(connection: ReverseConnection, rule: PortForward): Promise<void> {
    const { guestSocket, guestPorts, guestIP } = rule
    this.#states.delete(rule)
    try {
      if (guestSocket === undefined) {
        await connection.unlistenTcp(guestIP === '::1' ? '::1' : '127.0.0.1', guestPorts?.[0] ?? 0)
      } else await connection.unlistenUnix(guestSocket)
      this.#options.log(`${endText(rule)}: withdrawn`)
    } catch (error) {
      this.#options.log(`${endText(rule)}: ${messageOf(error)}`)
    }
  }

  #join(stream: Duplex, rule: PortForward): void {
    const { hostSocket, hostIP, hostPorts } = rule
    const where =
      hostSocket === undefined
        ? { host: hostIP, port: hostPorts?.[0] ?? 0 }
        : { path: connectablePath(hostSocket, this.#options.platform) }
    const socket: Socket = connect({ ...where, allowHalfOpen: true, noDelay: true })
    stream.on('error', () => undefined)
    socket.once('error', (error) => {
      this.#options.log(`${endText(rule)}: nobody answers on the host: ${error.message}`)
      stream.destroy()
    })
    socket.once('connect', () => joinStreams(socket, stream))
    stream.once('close', () => {
      if (socket.connecting) socket.destroy()
    })
  }

  #set(rule: PortForward, state: { state: 'active' | 'failed'; reason?: string }): void {
    const before = this.#states.get(rule)
    if (before?.state === state.state && before.reason === state.reason) return
    this.#states.set(rule, state)
    const { log } = this.#options
    if (state.state === 'active') log(`${endText(rule)}: the host's is in the guest`)
    else log(`${endText(rule)}: not in the guest: ${state.reason}`)
    this.emit('change')
  }
}

function endText({ guestSocket, guestIP, guestPorts }: PortForward): string {
  return guestSocket === undefined
    ? `guest port ${guestIP}:${guestPorts?.[0]}`
    : `guest socket ${guestSocket}`
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  await new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
