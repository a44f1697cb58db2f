import { parse } from 'yaml'
import type { KubernetesConfig } from '../../config/kubernetes.ts'
import { TcolimaError } from '../../host/errors.ts'
import { agentFlags } from './agent-flags.ts'
import type { ClusterAccess } from './kubeconfig-text.ts'

/** The port of the API in the guest. */
export const apiPort = 6443

/** Who runs the containers of a cluster: an engine of the guest, or k3s's own containerd. */
export type ClusterEngine = 'docker' | 'containerd' | 'none'

/** The engine for a runtime of the configuration. Throws `config` for one that Kubernetes cannot use. */
export function clusterEngine(runtime: string): ClusterEngine {
  if (runtime === 'docker' || runtime === 'containerd' || runtime === 'none') return runtime
  throw new TcolimaError('config', `Kubernetes cannot use ${runtime}`, {
    hint: 'It runs with the runtimes docker, containerd and none: another instance can have one of them.',
  })
}

/** A node's place among several: its address, and the card that has it. */
export interface NodePlace {
  address: string
  card: string
}

/**
 * The arguments of `k3s server` (docs.k3s.io, "k3s server"); the user's come last, and win. `place` is absent for a cluster of one.
 * Pure.
 */
export function serverArguments(
  engine: ClusterEngine,
  nodeName: string,
  { k3sArgs }: Pick<KubernetesConfig, 'k3sArgs'>,
  place?: NodePlace,
): string[] {
  const port = `--https-listen-port=${apiPort}`
  return [`--node-name=${nodeName}`, port, ...engineArguments[engine], ...placeArguments(place), ...k3sArgs]
}

/** The same of `k3s agent`, for a node of the cluster at a server's address. What only a server knows is left out. Pure. */
export function agentArguments(
  engine: ClusterEngine,
  nodeName: string,
  { k3sArgs }: Pick<KubernetesConfig, 'k3sArgs'>,
  place: NodePlace,
  server: string,
): string[] {
  const own = [`--server=https://${server}:${apiPort}`, `--node-name=${nodeName}`]
  return [...own, ...engineArguments[engine], ...placeArguments(place), ...agentFlags(k3sArgs)]
}

const engineArguments = {
  docker: ['--docker'],
  // k3s has the kubelet use the cgroup driver of docker and of its own containerd, and cgroupfs with any other (pkg/daemons/agent), which
  // containerd before 2.0 cannot correct; the guest's containerd is told to use systemd's.
  containerd: [
    '--container-runtime-endpoint=unix:///run/containerd/containerd.sock',
    '--kubelet-arg=cgroup-driver=systemd',
  ],
  none: [],
}

function placeArguments(place: NodePlace | undefined): string[] {
  return place ? [`--node-ip=${place.address}`, `--flannel-iface=${place.card}`] : []
}

/** Whether the arguments leave CoreDNS out. Pure. */
export function withoutCoreDns(k3sArgs: readonly string[]): boolean {
  const words = k3sArgs.flatMap((word, at) => {
    if (word === '--disable') return (k3sArgs[at + 1] ?? '').split(',')
    return word.startsWith('--disable=') ? word.slice('--disable='.length).split(',') : []
  })
  return words.includes('coredns')
}

// How often k3s may end at once; one that ran for longer than this (milliseconds) before may only have been too slow for something.
const mostEnds = 3
const atOnceMs = 45_000

/** Whether a k3s that ended so often in a time (milliseconds) will not come. Under software emulation one may end of time limits of its own. Pure. */
export function endsAtOnce(restarts: number, elapsedMs: number): boolean {
  return restarts >= mostEnds && elapsedMs < restarts * atOnceMs
}

/** What the guest says of a cluster. */
export interface ClusterState {
  /** systemd's words for the unit. */
  active: string
  /** How often it ended and was started anew. */
  restarts: number
  /** How to come in, once k3s has written it; its server is the guest's own. */
  access?: ClusterAccess
}

/** Reads what `kubernetes access` in the guest prints. Pure. */
export function readClusterState(text: string): ClusterState {
  const end = text.indexOf('\n\n')
  const head = end < 0 ? text : text.slice(0, end)
  const property = (name: string) => new RegExp(`^${name}=(.*)$`, 'm').exec(head)?.[1] ?? ''
  const access = end < 0 ? undefined : readAccess(text.slice(end))
  return {
    active: property('ActiveState'),
    restarts: Number(property('NRestarts')) || 0,
    ...(access ? { access } : {}),
  }
}

function readAccess(text: string): ClusterAccess | undefined {
  try {
    const { clusters, users } = parse(text) as {
      clusters: { cluster: Record<string, string> }[]
      users: { user: Record<string, string> }[]
    }
    const { server, 'certificate-authority-data': certificateAuthority } = clusters[0]?.cluster ?? {}
    const { 'client-certificate-data': clientCertificate, 'client-key-data': clientKey } =
      users[0]?.user ?? {}
    return server && certificateAuthority && clientCertificate && clientKey
      ? { server, certificateAuthority, clientCertificate, clientKey }
      : undefined
  } catch {
    // Not written yet, or not in full.
    return undefined
  }
}
