import { createServer } from 'node:net'
import type { PortForward } from '../config/port-forwards.ts'
import { TcolimaError } from '../host/errors.ts'
import type { InstanceState } from '../instance/state.ts'
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

/** What a machine's rules for ports are to know of its cluster: the host's port of the API, or that it is a worker of another's. */
export type ClusterPort = number | 'worker' | undefined

/** The same of a machine by its settings. Pure. */
export function clusterPortOf({
  config,
  kubernetesPort,
}: Pick<InstanceState, 'config' | 'kubernetesPort'>): ClusterPort {
  if (!config.kubernetes.enabled) return undefined
  return config.kubernetes.join === '' ? kubernetesPort : 'worker'
}

/**
 * The user's rules for ports with those of a cluster: its API is on the loopback, whatever the user's say; what k3s has beside it
 * (kubelet, proxies, the streams of the engines) stays in the guest, unless they say otherwise. Pure.
 */
export function withClusterRules(rules: readonly PortForward[], port: ClusterPort): PortForward[] {
  if (port === undefined) return [...rules]
  const rule = (
    guestPorts: [number, number],
    hostPorts?: [number, number],
    proto: PortForward['proto'] = 'tcp',
  ): PortForward => ({
    proto,
    guestIP: '0.0.0.0',
    guestIPMustBeZero: false,
    guestPorts,
    hostIP: '127.0.0.1',
    hostPorts: hostPorts ?? guestPorts,
    ignore: hostPorts === undefined,
    reverse: false,
    static: false,
  })
  return [
    ...(port === 'worker' ? [] : [rule([apiPort, apiPort], [port, port])]),
    ...rules,
    rule([apiPort + 1, apiPort + 1]),
    rule([10_010, 10_010]),
    rule([10_248, 10_259]),
    // The network of pods between nodes (flannel's VXLAN).
    rule([8472, 8472], undefined, 'udp'),
  ]
}
