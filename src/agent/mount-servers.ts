import { connect, type Socket } from 'node:net'
import type { MountSpec } from '../config/mounts.ts'
import { delay } from '../host/delay.ts'
import { messageOf } from '../host/errors.ts'
import { FifoLock } from '../mounts/order.ts'
import { type SftpSession, serveSftp } from '../mounts/server.ts'
import { shareRoot } from '../mounts/share-root.ts'

// Milliseconds before a session that ended badly is offered again.
const pauseMs = 200

/** Serves the host's folders, one SFTP session over the socket of each mount's virtio-serial port. */
export class MountServers {
  readonly #stop = new AbortController()
  readonly #sessions = new Map<number, SftpSession>()
  readonly #loops: Promise<void>[]
  readonly #writable: readonly string[]

  /** `sockets` are QEMU's ends of the ports, in the order of `mounts`. */
  constructor(mounts: readonly MountSpec[], sockets: readonly string[], log: (line: string) => void) {
    // One guest is the client of all of them, and folders may overlap.
    const nameLock = new FifoLock()
    this.#writable = mounts.filter(({ writable }) => writable).map(({ location }) => location)
    this.#loops = mounts.map(async (mount, index) => {
      const socket = sockets[index]
      if (socket === undefined) return
      const tell = (line: string) => log(`mount ${mount.mountPoint}: ${line}`)
      await this.#serve(index, mount, socket, nameLock, tell)
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
  }

  async #serve(
    index: number,
    mount: MountSpec,
    path: string,
    nameLock: FifoLock,
    log: (line: string) => void,
  ): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      const root = await nameLock.run(true, () => this.#root(mount, log))
      const socket = await connected(path)
      // QEMU is gone: the agent notices by itself.
      if (socket === undefined) return
      if (signal.aborted) {
        socket.destroy()
        return
      }
      const session = serveSftp(socket, { root, writable: mount.writable, log, nameLock })
      this.#sessions.set(index, session)
      await session.closed
      this.#sessions.delete(index)
      socket.destroy()
      await delay(pauseMs, signal)
    }
  }

  // Without a root the guest is answered too, with errors: it must not wait for nothing.
  async #root({ location }: MountSpec, log: (line: string) => void): Promise<string> {
    try {
      return await shareRoot(location, this.#writable)
    } catch (error) {
      log(messageOf(error))
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
