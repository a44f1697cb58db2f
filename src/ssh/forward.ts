import { chmod } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { type Between, joinStreams } from './join.ts'

/** A listener on the host whose connections end in the guest. */
export interface Forward {
  close: () => Promise<void>
}

/**
 * Listens on a Unix socket of the host (mode 0600) and joins each connection with a stream that `open` gives. The path
 * must be free and short enough. `between` gives what a connection passes through. Throws the system's error when it
 * cannot listen.
 */
export async function forwardUnix(
  path: string,
  open: () => Promise<Duplex>,
  between?: () => Between,
): Promise<Forward> {
  const forward = listen(open, between)
  await new Promise<void>((resolve, reject) => {
    forward.server.once('error', reject)
    forward.server.listen(path, resolve)
  })
  await chmod(path, 0o600)
  return forward
}

/** The same on a TCP address of the host. Throws the system's error (`EADDRINUSE`, `EACCES` …) when it cannot listen. */
export async function forwardTcp(host: string, port: number, open: () => Promise<Duplex>): Promise<Forward> {
  const forward = listen(open)
  await new Promise<void>((resolve, reject) => {
    forward.server.once('error', reject)
    forward.server.listen({ host, port, exclusive: true }, resolve)
  })
  return forward
}

function listen(open: () => Promise<Duplex>, between?: () => Between): Forward & { server: Server } {
  const sockets = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    socket.on('error', () => socket.destroy())
    open().then(
      (remote) => joinStreams(socket, remote, between?.()),
      () => socket.destroy(),
    )
  })
  return {
    server,
    close: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise<void>((resolve) => {
        server.close(() => resolve())
      })
    },
  }
}
