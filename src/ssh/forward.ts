import { chmod } from 'node:fs/promises'
import { createServer, type ListenOptions, type Server, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { type Between, joinStreams } from './join.ts'

/** A listener on the host whose connections end in the guest. */
export interface Forward {
  /** Listens no longer; the connections there are go on. */
  stop: () => Promise<void>
  /** Listens no longer and cuts all connections. */
  close: () => Promise<void>
}

/** What a listener does beside listening. */
export interface ForwardTcpOptions {
  /** Who may come, by the address they come from; everybody unless told. */
  accepts?: (peer: string) => boolean
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
  const forward = listen(open, { between })
  // Nobody else may connect between its making and the next line.
  const before = process.umask(0o177)
  const listening = bound(forward.server, { path })
  process.umask(before)
  await listening
  await chmod(path, 0o600)
  return forward
}

/**
 * The same on a TCP address of the host; an IPv6 one takes no IPv4. A connection for which there is no stream is reset.
 * Throws the system's error (`EADDRINUSE`, `EACCES` …) when it cannot listen.
 */
export async function forwardTcp(
  host: string,
  port: number,
  open: () => Promise<Duplex>,
  { accepts }: ForwardTcpOptions = {},
): Promise<Forward> {
  const forward = listen(open, { accepts })
  await bound(forward.server, { host, port, exclusive: true, ipv6Only: true })
  return forward
}

// The system's own limit (net.core.somaxconn) is the lower of the two: many come at once.
const backlog = 4096

async function bound(server: Server, where: ListenOptions): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ backlog, ...where }, () => {
      server.off('error', reject)
      // An accept that fails (no descriptor left) is that client's loss.
      server.on('error', () => undefined)
      resolve()
    })
  })
}

function listen(
  open: () => Promise<Duplex>,
  {
    accepts,
    between,
  }: { accepts?: ((peer: string) => boolean) | undefined; between?: (() => Between) | undefined },
): Forward & { server: Server } {
  const sockets = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (socket) => {
    if (accepts && !accepts(socket.remoteAddress ?? '')) {
      socket.resetAndDestroy()
      return
    }
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    socket.on('error', () => socket.destroy())
    open().then(
      (remote) => {
        if (socket.destroyed) remote.destroy()
        else joinStreams(socket, remote, between?.())
      },
      () => refuse(socket),
    )
  })
  const stop = async () => {
    server.close()
    // Its handle closes within this turn of the loop.
    await new Promise((resolve) => setImmediate(resolve))
  }
  return {
    server,
    stop,
    close: async () => {
      for (const socket of sockets) socket.destroy()
      await stop()
    },
  }
}

/** A reset, so that nobody takes it for an empty answer. */
function refuse(socket: Socket): void {
  if (socket.remoteAddress === undefined) socket.destroy()
  else socket.resetAndDestroy()
}
