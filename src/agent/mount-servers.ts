import { rm } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { ActiveMount } from '../instance/state.ts'
import { delay } from '../host/delay.ts'
import { messageOf, TcolimaError } from '../host/errors.ts'
import type { FifoLock } from '../mounts/order.ts'
import type { Owners } from '../mounts/owners.ts'
import { type SftpSession, serveSftp } from '../mounts/server.ts'
import { shareRoot } from '../mounts/share-root.ts'
import type { Windows } from '../mounts/window.ts'
import type { Notifications } from './notifications.ts'

// Milliseconds before a session that ended badly is offered again.
const pauseMs = 200
// Milliseconds between two looks for sessions whose client does not know of them.
const lookMs = 500

/** What all mounts of a machine need. */
export interface MountServersInput {
  /** One for all: one guest is the client of all of them, and folders may overlap. */
  nameLock: FifoLock
  /** The file of a mount's journal. */
  journal: (index: number) => string
  /** Asks the guest to introduce itself anew: it has a client that may have missed that the host was away. */
  resume: (index: number) => void
  /** Who owns the files as the guest sees it; closed with the servers. */
  owners: Owners
  /** The memory that the guest shares; closed with the servers. */
  windows: Windows
  /** Bring the host's changes to the guest, where they are wanted. */
  notifications: Notifications | undefined
  /** The next stream of a mount that has no port; undefined once the signal is aborted. */
  overSsh: (index: number, signal: AbortSignal) => Promise<Duplex | undefined>
  /** Gets what the user should know of and can mend. */
  warn: (warning: { text: string; hint: string }) => void
  log: (line: string) => void
}

/** Serves the host's folders, one SFTP session for each mount: over the socket of its virtio-serial port, or over SSH. */
export class MountServers {
  readonly #sessions = new Map<number, SftpSession>()
  readonly #mounts = new Map<number, ActiveMount>()
  readonly #loops = new Map<number, { stop: AbortController; done: Promise<void> }>()
  readonly #input: MountServersInput
  readonly #timer: NodeJS.Timeout

  /**
   * `sockets` are QEMU's ends of the ports, by the index of a mount: null where it has none, nothing where something else
   * serves it.
   */
  constructor(mounts: readonly ActiveMount[], sockets: readonly (string | null)[], input: MountServersInput) {
    this.#input = input
    this.#timer = setInterval(() => {
      for (const [index, session] of this.#sessions) if (!session.hasClient()) input.resume(index)
    }, lookMs)
    // All are known before one is served.
    for (const mount of mounts) this.#mounts.set(mount.index, mount)
    for (const mount of mounts) {
      const socket = sockets[mount.index]
      if (socket !== undefined) this.add(mount, socket)
    }
  }

  /** Serves one more, over SSH where it has no socket. */
  add(mount: ActiveMount, socket: string | null): void {
    const { index } = mount
    const stop = new AbortController()
    const { signal } = stop
    const next = () => (socket === null ? this.#input.overSsh(index, signal) : connected(socket))
    this.#mounts.set(index, mount)
    this.#loops.set(index, { stop, done: this.#serve(mount, next, signal) })
  }

  /** Serves one no more: its files are closed. */
  async remove(index: number): Promise<void> {
    await this.#end(index)
    await this.#input.notifications?.remove(index)
    await rm(this.#input.journal(index), { force: true })
  }

  /** The guest's end of a port was closed: its sshfs is gone, and the next one starts with a new session. */
  reset(index: number): void {
    this.#sessions.get(index)?.reset()
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    await Promise.all([...this.#loops.keys()].map((index) => this.#end(index)))
    this.#input.owners.close()
    this.#input.windows.close()
  }

  async #end(index: number): Promise<void> {
    const loop = this.#loops.get(index)
    this.#loops.delete(index)
    this.#mounts.delete(index)
    loop?.stop.abort()
    await this.#sessions.get(index)?.close()
    await loop?.done
  }

  async #serve(
    mount: ActiveMount,
    next: () => Promise<Duplex | undefined>,
    signal: AbortSignal,
  ): Promise<void> {
    const { journal, nameLock, notifications, owners, log } = this.#input
    const { index, writable } = mount
    const window = this.#input.windows.of(index)
    const tell = (line: string) => log(`mount ${mount.mountPoint}: ${line}`)
    const notifier = notifications?.add(index, mount)
    const notify = notifier && { replays: notifier.replays, observer: notifier.observer }
    while (!signal.aborted) {
      const stream = await next()
      // QEMU is gone: the agent notices by itself.
      if (stream === undefined) return
      // Until the session looks it may break.
      stream.on('error', () => undefined)
      // Not before: over SSH the client may come late, and the folder be another one by then.
      const root = await nameLock.run(true, () => this.#root(mount, tell))
      if (notifier) notifier.root = root
      if (signal.aborted) {
        stream.destroy()
        return
      }
      const session = serveSftp(stream, {
        ...{ root, writable, journal: journal(index), nameLock, owners, log: tell },
        ...notify,
        ...(window && { window }),
      })
      this.#sessions.set(index, session)
      await session.closed
      this.#sessions.delete(index)
      stream.destroy()
      await delay(pauseMs, signal)
    }
  }

  // Without a root the guest is answered too, with errors: it must not wait for nothing.
  async #root({ location }: ActiveMount, log: (line: string) => void): Promise<string> {
    try {
      const writable = [...this.#mounts.values()].filter((mount) => mount.writable)
      return await shareRoot(
        location,
        writable.map((mount) => mount.location),
      )
    } catch (error) {
      if (error instanceof TcolimaError) this.#input.warn({ text: error.message, hint: error.hint ?? '' })
      else log(messageOf(error))
      return location
    }
  }
}

async function connected(path: string): Promise<Socket | undefined> {
  return await new Promise<Socket | undefined>((resolve) => {
    const socket = connect({ path, allowHalfOpen: true })
    socket.once('connect', () => resolve(socket))
    socket.once('error', () => resolve(undefined))
  })
}
