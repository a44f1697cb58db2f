import { connect, type Socket } from 'node:net'
import type { MountSpec } from '../config/mounts.ts'
import type { ActiveMount } from '../instance/state.ts'
import { delay } from '../host/delay.ts'
import { FifoLock } from '../mounts/order.ts'
import { type SftpSession, serveSftp } from '../mounts/server.ts'

// Milliseconds before a session that ended badly is offered again.
const pauseMs = 200

/** Serves the host's folders, one SFTP session over the socket of each mount's virtio-serial port. */
export class MountServers {
  readonly #log: (line: string) => void
  // One guest is the client of all of them, and folders may overlap.
  readonly #nameLock = new FifoLock()
  readonly #sessions = new Map<number, SftpSession>()
  readonly #loops = new Map<number, { stop: AbortController; done: Promise<void> }>()

  /** `sockets` are QEMU's ends of the ports, by the index of a mount; one without is served by something else. */
  constructor(mounts: readonly ActiveMount[], sockets: readonly string[], log: (line: string) => void) {
    this.#log = log
    for (const mount of mounts) {
      const socket = sockets[mount.index]
      if (socket !== undefined) this.add(mount, socket)
    }
  }

  /** Serves one more. */
  add(mount: ActiveMount, socket: string): void {
    const stop = new AbortController()
    const log = (line: string) => this.#log(`mount ${mount.mountPoint}: ${line}`)
    const done = this.#serve(mount.index, mount, socket, log, stop.signal)
    this.#loops.set(mount.index, { stop, done })
  }

  /** Serves one no more: its files are closed. */
  async remove(index: number): Promise<void> {
    const loop = this.#loops.get(index)
    this.#loops.delete(index)
    loop?.stop.abort()
    await this.#sessions.get(index)?.close()
    await loop?.done
  }

  /** The guest's end of a port was closed: its sshfs is gone, and the next one starts with a new session. */
  reset(index: number): void {
    this.#sessions.get(index)?.reset()
  }

  async close(): Promise<void> {
    await Promise.all([...this.#loops.keys()].map((index) => this.remove(index)))
  }

  async #serve(
    index: number,
    mount: MountSpec,
    path: string,
    log: (line: string) => void,
    signal: AbortSignal,
  ): Promise<void> {
    while (!signal.aborted) {
      const socket = await connected(path)
      // QEMU is gone: the agent notices by itself.
      if (socket === undefined) return
      if (signal.aborted) {
        socket.destroy()
        return
      }
      const { location: root, writable } = mount
      const session = serveSftp(socket, { root, writable, log, nameLock: this.#nameLock })
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
