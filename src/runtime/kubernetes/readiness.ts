import { messageOf } from '../../host/errors.ts'
import { askApi } from './api.ts'
import type { ClusterAccess } from './kubeconfig-text.ts'

/** What a cluster is to be before it counts as ready. */
export interface Wanted {
  node: string
  /** The boot of its machine (proc(5), boot_id): what is known of it from another one is of before. '' says nothing. */
  boot?: string
  /** Whether CoreDNS is to be available: its images are there. */
  coreDns: boolean
}

/** How far a cluster is: ready, with its version, or what it waits for. */
export type Readiness = { ready: true; version: string } | { ready: false; waitsFor: string }

/**
 * Asks a cluster whether it is ready: its API server (`/readyz`, `/version`), the node, and CoreDNS (Kubernetes API, "Node" and
 * "Deployment"). Throws on abort only.
 */
export async function readiness(
  access: ClusterAccess,
  wanted: Wanted,
  signal: AbortSignal,
): Promise<Readiness> {
  const ask = async (target: string) => await askApi(access, target, signal)
  try {
    const ready = await ask('/readyz')
    if (ready.status !== 200)
      return waits(`its API server: ${firstLine(ready.body)} (status ${ready.status})`)
    const version = JSON.parse((await ask('/version')).body) as { gitVersion?: string }
    const nodes = await ask('/api/v1/nodes')
    if (nodes.status !== 200) return waits(`the list of nodes: status ${nodes.status}`)
    const node = nodeProblem(JSON.parse(nodes.body) as NodeList, wanted)
    if (node !== undefined) return waits(node)
    if (wanted.coreDns) {
      const deployment = await ask('/apis/apps/v1/namespaces/kube-system/deployments/coredns')
      if (deployment.status !== 200) return waits('CoreDNS to be made')
      const problem = conditionProblem((JSON.parse(deployment.body) as Conditioned).status, 'Available')
      if (problem !== undefined) return waits(`CoreDNS to be available${problem}`)
    }
    return { ready: true, version: version.gitVersion ?? '' }
  } catch (error) {
    signal.throwIfAborted()
    return waits(`its API server: ${messageOf(error)}`)
  }
}

interface Conditioned {
  metadata?: { name?: string }
  status?: {
    conditions?: { type: string; status: string; message?: string }[]
    nodeInfo?: { bootID?: string }
  }
}

interface NodeList {
  items?: Conditioned[]
}

function nodeProblem(
  { items = [] }: NodeList,
  { node: name, boot = '' }: Pick<Wanted, 'node' | 'boot'>,
): string | undefined {
  const node = items.find(({ metadata }) => metadata?.name === name)
  if (!node) return `the node ${name} to come`
  const { bootID = boot } = node.status?.nodeInfo ?? {}
  if (boot !== '' && bootID !== boot) return `the node ${name} to come again`
  const problem = conditionProblem(node.status, 'Ready')
  return problem === undefined ? undefined : `the node ${name} to be ready${problem}`
}

/** Undefined when the condition holds, else what is said of it. */
function conditionProblem(status: Conditioned['status'], type: string): string | undefined {
  const condition = status?.conditions?.find((each) => each.type === type)
  if (condition?.status === 'True') return undefined
  return condition?.message ? `: ${firstLine(condition.message)}` : ''
}

function waits(waitsFor: string): Readiness {
  return { ready: false, waitsFor }
}

function firstLine(text: string): string {
  return text.trim().split('\n')[0]?.slice(0, 200) ?? ''
}
