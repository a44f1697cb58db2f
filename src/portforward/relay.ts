import { createSocket } from 'node:dgram'
import { connect, type Socket } from 'node:net'
import type { SocketOwner } from '../host/sockets.ts'
import type { Forwarder } from './forwarder.ts'
import { listenOnHost } from './host-end.ts'
import { type GuestStreams, openGuestEnd } from './over-ssh.ts'
import { forwardKey, type PlannedForward } from './plan.ts'
import { forwardUdp, type UdpFlow } from './udp.ts'

/**
 * Forwards of the host's IPv6 addresses: to the port that QEMU has on an IPv4 one, which is fast, else over SSH. `isActive`
 * says whether the forward of a host end (see `forwardKey`) is there: a port that another program has leads elsewhere.
 */
export function relayForwarder(
  isActive: (key: string) => boolean,
  guest: GuestStreams,
  owner: SocketOwner,
): Forwarder {
  return {
    open: async (forward) => {
      if (forward.proto === 'tcp') {
        return await listenOnHost(forward, owner, async () =>
          hasIPv4(forward, isActive) ? await connected(forward.hostPort) : await openGuestEnd(guest, forward),
        )
      }
      const over = guest.relayUdp(forward.guestAddress, forward.guestPort)
      const listening = await forwardUdp(forward, (reply) =>
        hasIPv4(forward, isActive) ? udpFlow(forward.hostPort, reply) : over.flow(reply),
      )
      return async () => {
        await listening.close()
        over.close()
      }
    },
  }
}

function hasIPv4({ proto, hostPort }: PlannedForward, isActive: (key: string) => boolean): boolean {
  return ['127.0.0.1', '0.0.0.0'].some((hostAddress) =>
    isActive(forwardKey({ proto, hostAddress, hostPort })),
  )
}

async function connected(port: number): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true, noDelay: true })
  return await new Promise<Socket>((resolve, reject) => {
    socket.once('error', reject)
    socket.once('connect', () => {
      socket.off('error', reject)
      resolve(socket)
    })
  })
}

function udpFlow(port: number, reply: (data: Buffer) => void): UdpFlow {
  const socket = createSocket('udp4')
  socket.on('message', (data, from) => {
    if (from.port === port) reply(data)
  })
  // Nobody there at the moment: as with a network, a datagram is lost.
  socket.on('error', () => undefined)
  return {
    send: (data) => socket.send(data, port, '127.0.0.1'),
    close: () => socket.close(),
  }
}
