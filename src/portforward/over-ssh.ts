import type { Duplex } from 'node:stream'
import { errnoOf, messageOf, TcolimaError } from '../host/errors.ts'
import { forwardTcp } from '../ssh/forward.ts'
import type { Forwarder } from './forwarder.ts'

/** Forwards over the SSH connection: for listeners that only the guest's own loopback reaches. */
export function sshForwarder(openTcp: (host: string, port: number) => Promise<Duplex>): Forwarder {
  return {
    open: async ({ hostAddress, hostPort, guestAddress, guestPort }) => {
      try {
        const forward = await forwardTcp(hostAddress, hostPort, () => openTcp(guestAddress, guestPort))
        return () => forward.close()
      } catch (error) {
        throw new TcolimaError('failed', explain(error, hostPort), { cause: error })
      }
    },
  }
}

function explain(error: unknown, port: number): string {
  switch (errnoOf(error)) {
    case 'EADDRINUSE':
      return `port ${port} of the host is taken`
    case 'EACCES':
      return `port ${port} of the host needs more rights`
    default:
      return messageOf(error)
  }
}
