import type { ClientChannel } from 'ssh2'
import { TcolimaError } from '../host/errors.ts'
import { clusterMac } from '../vm/cluster-link.ts'
import { runInGuest } from './guest-run.ts'
import { clusterScript } from './kubernetes.ts'

// Milliseconds for a short question, and for kubectl in a guest under software emulation.
const askMs = 60_000
const kubectlMs = 180_000

/** Gives the machine its address in the network of the nodes; gives the name that the card has there. */
export async function setNodeAddress(
  exec: (command: string) => Promise<ClientChannel>,
  mac: string,
  address: string,
  signal: AbortSignal,
): Promise<string> {
  const words = [clusterScript, 'network', address, clusterMac(mac)]
  const card = (await runInGuest(exec, words, { signal, limitMs: askMs })).trim()
  // An older script knows nothing of it and says nothing.
  if (card !== '') return card
  throw new TcolimaError('failed', 'the guest of this machine is older than clusters of several machines', {
    hint: 'Make it anew: tcolima delete keeps images, containers and the cluster on the data disk, then start.',
  })
}

/** Takes nodes out of the cluster of a server that runs. */
export async function removeNodes(
  exec: (command: string) => Promise<ClientChannel>,
  nodes: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  for (const node of nodes) {
    await runInGuest(exec, [clusterScript, 'remove', node], { signal, limitMs: kubectlMs })
  }
}
