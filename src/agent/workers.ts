import { existsSync } from 'node:fs'
import { readJson, writeJson } from '../host/files.ts'
import type { Host } from '../host/platform.ts'
import { prepareSocketPath } from '../host/sockets.ts'
import { instancePaths, linkSockets } from '../instance/paths.ts'
import type { ClusterLink } from '../vm/cluster-link.ts'
import type { AgentContext } from './context.ts'

/** A machine that is a node of another's cluster, as the server's folder remembers it. */
export interface Worker {
  /** Its profile. */
  name: string
  /** What its node is called. */
  node: string
  /** Its number in the network of the nodes, which decides its address. */
  number: number
  /** It left while the server did not run: its node is still to be taken away. */
  gone?: true
}

/** A machine's place in the network of a cluster's nodes. */
export interface NodeNetwork {
  address: string
  links: ClusterLink[]
}

/** The server's number. */
export const serverNumber = 1
// Host numbers of a /24.
const mostNodes = 254

/** The address of a node: beside those of k3s (10.42.0.0/16 pods, 10.43.0.0/16 services) and of QEMU (10.0.2.0/24). Pure. */
export function nodeAddress(number: number): string {
  return `10.41.0.${number}`
}

/** The workers that a server's folder remembers; undefined when it never had any. */
export function readWorkers(file: string): Worker[] | undefined {
  try {
    const found = readJson(file)
    if (!Array.isArray(found)) return undefined
    return (found as Worker[]).filter(
      ({ name, number }) => typeof name === 'string' && Number.isInteger(number),
    )
  } catch {
    return undefined
  }
}

/** Takes workers out of a server's file. */
export async function forgetWorkers(file: string, names: readonly string[]): Promise<void> {
  const workers = readWorkers(file)
  if (workers)
    await writeJson(
      file,
      workers.filter(({ name }) => !names.includes(name)),
    )
}

/** Remembers in the file of a server that does not run that a worker left. */
export async function markGone(file: string, name: string): Promise<void> {
  const workers = readWorkers(file)
  if (workers)
    await writeJson(
      file,
      workers.map((each) => (each.name === name ? { ...each, gone: true } : each)),
    )
}

/** The workers with one more, which keeps the number it had, and that one; undefined when there is no number left. Pure. */
export function withWorker(
  workers: readonly Worker[],
  { name, node }: Pick<Worker, 'name' | 'node'>,
): { workers: Worker[]; worker: Worker } | undefined {
  const known = workers.find((each) => each.name === name)
  if (known) {
    const worker = { name, node, number: known.number }
    return { workers: workers.map((each) => (each === known ? worker : each)), worker }
  }
  const taken = new Set([serverNumber, ...workers.map(({ number }) => number)])
  for (let number = serverNumber + 1; number <= mostNodes; number++) {
    if (taken.has(number)) continue
    const worker = { name, node, number }
    return { workers: [...workers, worker], worker }
  }
  return undefined
}

/** Whether a worker is still one, and its machine there, by its folder. */
export function isThere(home: string, { name, gone }: Worker): boolean {
  return gone !== true && existsSync(instancePaths(home, name).folder)
}

/** The end of a link at the server, or at the worker; both sockets lie in the worker's folder, and go with it. */
export async function linkOf(
  side: 'server' | 'worker',
  server: string,
  { name, number }: Pick<Worker, 'name' | 'number'>,
  home: string,
  host: Host,
): Promise<ClusterLink> {
  const { folder } = instancePaths(home, name)
  const place = async (file: string) => (await prepareSocketPath(folder, file, host)).path
  const names = linkSockets(server)
  const [own, servers] = [await place(names.worker), await place(names.server)]
  return side === 'server'
    ? { number, local: servers, remote: own }
    : { number: serverNumber, local: own, remote: servers }
}

/** The machine's place among the nodes of a cluster: as a worker that `join` let in, or as a server that has had some. */
export async function nodeNetwork(
  { paths, home, host }: AgentContext,
  join: string,
  admission: { worker: Worker; address: string } | undefined,
): Promise<NodeNetwork | undefined> {
  if (admission) {
    const { worker, address } = admission
    return { address, links: [await linkOf('worker', join, worker, home, host)] }
  }
  const there = readWorkers(paths.workers)?.filter((worker) => isThere(home, worker))
  if (!there) return undefined
  const links = await Promise.all(there.map((worker) => linkOf('server', paths.profile, worker, home, host)))
  return { address: nodeAddress(serverNumber), links }
}
