import { createServer } from 'node:net'
import type { PortForward } from '../config/port-forwards.ts'
import { TcolimaError } from '../host/errors.ts'
import { apiPort } from '../runtime/kubernetes/k3s.ts'

/**
 * The port of the host's loopback for a cluster's API: the wanted one, or (0) the one it had, 6443, or any, the first that is
 * free. Throws `host` when the wanted one is taken.
 */
export async function clusterPort(wanted: number, before: number | undefined): Promise<number> {
  if (wanted > 0) {
    if (before === wanted || (await tryPort(wanted)) === wanted) return wanted
    throw new TcolimaError('host', `port ${wanted} of this computer is taken: Kubernetes cannot have it`, {
      hint: 'Choose another with --kubernetes-port, or 0 for any.',
    })
  }
  for (const port of [before, apiPort, 0]) {
    const free = port === undefined ? undefined : await tryPort(port)
    if (free !== undefined) return free
  }
  throw new TcolimaError('host', 'there is no free port for Kubernetes')
}

/** The port when it is free, undefined when it is not. */
async function tryPort(port: number): Promise<number | undefined> {
  return await new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(undefined))
    server.listen(port, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address ? address.port : undefined))
    })
  })
}

/**
 * The user's rules for ports with those of a cluster: its API is on the loopback, whatever the user's say; what k3s has beside it
 * (kubelet, proxies, the streams of the engines) stays in the guest, unless they say otherwise. Pure.
 */
export function withClusterRules(rules: readonly PortForward[], port: number | undefined): PortForward[] {
  if (port === undefined) return [...rules]
  const rule = (guestPorts: [number, number], ignore: boolean): PortForward => ({
    proto: 'tcp',
    guestIP: '0.0.0.0',
    guestIPMustBeZero: false,
    guestPorts,
    hostIP: '127.0.0.1',
    hostPorts: ignore ? guestPorts : [port, port],
    ignore,
    reverse: false,
    static: false,
  })
  return [
    rule([apiPort, apiPort], false),
    ...rules,
    rule([apiPort + 1, apiPort + 1], true),
    rule([10_010, 10_010], true),
    rule([10_248, 10_259], true),
  ]
}
