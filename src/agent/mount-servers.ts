import { connect, type Socket } from 'node:net'
import type { MountSpec } from '../config/mounts.ts'
import { delay } from '../host/delay.ts'
import { FifoLock } from '../mounts/order.ts'
import type { Owners } from '../mounts/owners.ts'
import { type SftpSession, type ShareOptions, serveSftp } from '../mounts/server.ts'
import type { Notifications } from './notifications.ts'

// Milliseconds before a session that ended badly is offered again.
const pauseMs = 200
// Milliseconds between two looks for sessions whose client does not know of them.
const lookMs = 500

/** What all mounts of a machine need. */
export interface MountServersInput {
  /** The file of a mount's journal. */
  journal: (index: number) => string
  /** Asks the guest to introduce itself anew: it has a client that may have missed that the host was away. */
  resume: (index: number) => void
  /** Who owns the files as the guest sees it; closed with the servers. */
  owners: Owners
  /** Bring the host's changes to the guest, where they are wanted. */
  notifications: Notifications | undefined
  log: (line: string) => void
}

/** Serves the host's folders, one SFTP session over the socket of each mount's virtio-serial port. */
export class MountServers {
  readonly #stop = new AbortController()
  readonly #sessions = new Map<number, SftpSession>()
  readonly #loops: Promise<void>[]
  readonly #owners: Owners

  /** `sockets` are QEMU's ends of the ports, in the order of `mounts`. */
  constructor(mounts: readonly MountSpec[], sockets: readonly string[], input: MountServersInput) {
    const { owners } = input
    this.#owners = owners
    const timer = setInterval(() => {
      for (const [index, session] of this.#sessions) if (!session.hasClient()) input.resume(index)
    }, lookMs)
    this.#stop.signal.addEventListener('abort', () => clearInterval(timer))
    // One guest is the client of all of them, and folders may overlap.
    const nameLock = new FifoLock()
    this.#loops = mounts.map(async (mount, index) => {
      const socket = sockets[index]
      if (socket === undefined) return
      const log = (line: string) => input.log(`mount ${mount.mountPoint}: ${line}`)
      const notifier = input.notifications?.add(index, mount)
      const notify = notifier && { replays: notifier.replays, observer: notifier.observer }
      const { location: root, writable } = mount
      const journal = input.journal(index)
      await this.#serve(index, socket, { root, writable, journal, log, nameLock, owners, ...notify })
    })
  }

  /** The guest's end of a port was closed: its sshfs is gone, and the next one starts with a new session. */
  reset(index: number): void {
    this.#sessions.get(index)?.reset()
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await Promise.all([...this.#sessions.values()].map((session) => session.close()))
    await Promise.all(this.#loops)
    this.#owners.close()
  }

  async #serve(index: number, path: string, options: ShareOptions): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      const socket = await connected(path)
      // QEMU is gone: the agent notices by itself.
      if (socket === undefined) return
      if (signal.aborted) {
        socket.destroy()
        return
      }
      const session = serveSftp(socket, options)
      this.#sessions.set(index, session)
      await session.closed
      this.#sessions.delete(index)
      socket.destroy()
      await delay(pauseMs, signal)
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
