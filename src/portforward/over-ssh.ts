import type { Duplex } from 'node:stream'
import type { SocketOwner } from '../host/sockets.ts'
import type { Forwarder } from './forwarder.ts'
import { listenOnHost } from './host-end.ts'
import type { PlannedForward } from './plan.ts'
import type { DatagramRelay } from './udp-over-ssh.ts'
import { forwardUdp } from './udp.ts'

/** Ways into the guest over its SSH connection. */
export interface GuestStreams {
  openTcp: (host: string, port: number) => Promise<Duplex>
  openUnix: (socket: string) => Promise<Duplex>
  /** A relay in the guest for the datagrams of one of its ports. */
  relayUdp: (host: string, port: number) => DatagramRelay
}

/** Forwards over the SSH connection: for listeners on the guest's loopback or one other address, and for sockets. */
export function sshForwarder(guest: GuestStreams, owner: SocketOwner): Forwarder {
  return {
    open: async (forward) => {
      if (forward.proto === 'tcp')
        return await listenOnHost(forward, owner, () => openGuestEnd(guest, forward))
      const relay = guest.relayUdp(forward.guestAddress, forward.guestPort)
      const listening = await forwardUdp(forward, (reply) => relay.flow(reply))
      return async () => {
        await listening.close()
        relay.close()
      }
    },
  }
}

/** A stream to the guest's end of a forward, as seen from inside. */
export async function openGuestEnd(
  guest: Pick<GuestStreams, 'openTcp' | 'openUnix'>,
  { guestAddress, guestPort, guestSocket }: PlannedForward,
): Promise<Duplex> {
  return guestSocket === undefined
    ? await guest.openTcp(guestAddress, guestPort)
    : await guest.openUnix(guestSocket)
}
