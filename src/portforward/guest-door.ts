import { ReusingSocket } from '../ssh/reusing-socket.ts'

/** A port of this computer that QEMU leads to one of the guest. */
export interface Door {
  /** Opens a connection. Rejects when there is nobody. */
  open: () => Promise<ReusingSocket>
}

// QEMU listens with a backlog of 1 (libslirp, `tcpx_listen`): Linux then holds two that are not accepted yet, and of what comes
// beyond them most is reset after a minute.
const mostWaiting = 2

/**
 * Connects to a port that QEMU listens on, never faster than it takes: `passed` resolves when QEMU's main loop, which
 * accepts one connection each time, has gone round since it was called. Its monitor is answered by the same loop.
 */
export function guestDoor(port: () => Promise<number>, passed: () => Promise<unknown>): Door {
  let turn: Promise<unknown> = Promise.resolve()
  let waiting: ReusingSocket[] = []
  const connectNext = async (): Promise<ReusingSocket> => {
    // What has brought something was accepted.
    waiting = waiting.filter((socket) => socket.bytesRead === 0 && !socket.destroyed)
    if (waiting.length >= mostWaiting) {
      await passed()
      waiting = []
    }
    const socket = await connected(await port())
    waiting.push(socket)
    return socket
  }
  return {
    open: async () => {
      const opened = turn.then(connectNext)
      turn = opened.catch(() => undefined)
      return await opened
    },
  }
}

async function connected(port: number): Promise<ReusingSocket> {
  const socket = new ReusingSocket()
  socket.connect({ host: '127.0.0.1', port, noDelay: true })
  return await new Promise<ReusingSocket>((resolve, reject) => {
    socket.once('error', reject)
    socket.once('connect', () => {
      socket.off('error', reject)
      resolve(socket)
    })
  })
}
