import { createSocket } from 'node:dgram'
import { createServer } from 'node:net'
import { errnoOf, messageOf, TcolimaError } from '../host/errors.ts'

/** Says in words why a port of the host cannot be had, from what the system threw. */
export function refusal(error: unknown, address: string, port: number): TcolimaError {
  return new TcolimaError('failed', words(error, address, port), { cause: error })
}

function words(error: unknown, address: string, port: number): string {
  switch (errnoOf(error)) {
    case 'EADDRINUSE':
      return `port ${port} of the host is taken`
    case 'EACCES':
    case 'EPERM':
      return `port ${port} of the host needs more rights`
    case 'EADDRNOTAVAIL':
      return `the host has no address ${address}`
    default:
      return messageOf(error)
  }
}

/** Whether it is because another has the port. */
export function isTaken(error: unknown): boolean {
  return error instanceof Error && errnoOf(error.cause) === 'EADDRINUSE'
}

/** What the system throws when the port of the host is bound now; undefined when it can be had. */
export async function bindProblem(proto: 'tcp' | 'udp', address: string, port: number): Promise<unknown> {
  return await new Promise<unknown>((resolve) => {
    if (proto === 'udp') {
      const socket = createSocket(address.includes(':') ? { type: 'udp6', ipv6Only: true } : { type: 'udp4' })
      socket.once('error', resolve)
      socket.bind({ address, port, exclusive: true }, () => socket.close(() => resolve(undefined)))
      return
    }
    const server = createServer()
    server.once('error', resolve)
    server.listen({ host: address, port, exclusive: true, ipv6Only: true }, () =>
      server.close(() => resolve(undefined)),
    )
  })
}
