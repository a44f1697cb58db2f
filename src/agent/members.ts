import path from 'node:path'
import { externalName } from '../config/profile.ts'
import { TcolimaError } from '../host/errors.ts'
import { writeJson } from '../host/files.ts'
import { runStep } from '../host/progress.ts'
import { removeSocket } from '../host/sockets.ts'
import { instancePaths, linkSockets } from '../instance/paths.ts'
import type { ClusterAccess } from '../runtime/kubernetes/kubeconfig-text.ts'
import { plugLink, unplugLink } from '../vm/cluster-link.ts'
import type { Admission, AdmitParams } from './api.ts'
import { accessToCluster, type ClusterWorld, execIn, runCluster } from './cluster.ts'
import { runInGuest } from './guest-run.ts'
import { clusterScript, fetchCluster } from './kubernetes.ts'
import { holderOf, nodeName, removable, removeGone } from './gone-workers.ts'
import { removeNodes } from './node-network.ts'
import {
  forgetWorkers,
  isThere,
  linkOf,
  markGone,
  nodeAddress,
  readWorkers,
  serverNumber,
  withWorker,
  type Worker,
} from './workers.ts'

// Milliseconds for a question to a guest under software emulation whose k3s just started.
const askMs = 180_000

/**
 * Lets another machine into the cluster of this one: an address, a link between the two, and what a node needs to come in. The
 * first one has k3s start anew, with an address that others reach. Throws `not-running` without a cluster, `config` when the name of
 * its node is another's.
 */
export async function admitWorker(
  world: ClusterWorld,
  running: { cluster?: ClusterAccess | undefined },
  { worker: { name, node }, mirror }: AdmitParams,
): Promise<Admission> {
  const { context, machine, record, state, report, signal } = world
  const { paths, home } = context
  const { config } = state
  if (!config.kubernetes.enabled || config.kubernetes.join !== '') {
    throw new TcolimaError('not-running', `${paths.profile} has no cluster of its own that runs`, {
      hint: `Start one with: tcolima start ${paths.profile} --kubernetes`,
    })
  }
  const before = readWorkers(paths.workers)
  // One that left while this did not run, and comes again, begins anew: k3s refuses a node that it has with another password.
  const gone = (before ?? []).filter((each) => each.gone || (each.name !== name && !isThere(home, each)))
  const staying = (before ?? []).filter((each) => !gone.includes(each))
  const own = nodeName(paths, record)
  const others = staying.filter((each) => each.name !== name)
  refuseTakenNode(paths.profile, name, node, holderOf(node, own, others))
  const exec = execIn(machine)
  const { worker, workers } = await runStep(report, `join ${externalName(paths.profile)}`, async () => {
    const done = await removeGone({ own, gone, staying, exec, report, signal })
    for (const { number } of gone) await unplugLink(machine.qmp, number)
    const known = (before ?? []).filter((each) => !done.includes(each))
    const chosen = withWorker(known, { name, node })
    if (!chosen) {
      throw new TcolimaError('failed', `${paths.profile} has as many workers as there are addresses`)
    }
    await joinNetworks(world, chosen.worker)
    return chosen
  })
  if (before === undefined) {
    const files = await fetchCluster(context, config, mirror, report, signal)
    running.cluster = await runCluster(world, config, files, { address: nodeAddress(serverNumber) })
  }
  // Last: what was done in part is done again.
  await writeJson(paths.workers, workers)
  running.cluster ??= await accessToCluster(world)
  const token = await runInGuest(exec, [clusterScript, 'token'], { signal, limitMs: askMs })
  return {
    worker,
    address: nodeAddress(worker.number),
    server: nodeAddress(serverNumber),
    token: token.trim(),
    access: running.cluster,
    version: config.kubernetes.version,
  }
}

/** Throws `config` where another has the name of a node, since the cluster would take the two for one. */
function refuseTakenNode(server: string, name: string, node: string, holder: string | undefined): void {
  if (holder === undefined) return
  const whose = externalName(holder === '' ? server : holder)
  throw new TcolimaError(
    'config',
    `${name} would be the node ${node} of ${server}'s cluster, and ${whose} is that already`,
    {
      hint: `A node keeps the name that its machine was made under. Make one of the two anew: tcolima delete keeps images and containers on the data disk, then start.`,
    },
  )
}

async function joinNetworks({ context, machine }: ClusterWorld, worker: Worker): Promise<void> {
  const link = await linkOf('server', context.paths.profile, worker, context.home, context.host)
  await plugLink(machine.qmp, link).catch((error: unknown) => {
    const why = TcolimaError.from(error).message
    throw new TcolimaError('failed', `the networks of the two machines could not be joined: ${why}`, {
      cause: error,
      hint: 'That takes QEMU 7.2 or later.',
    })
  })
}

/** Takes a node out of the cluster; with `forget` its address and its link go too. */
export async function dismissWorker(world: ClusterWorld, name: string, forget: boolean): Promise<void> {
  const { context, machine, record, state, signal } = world
  const { paths } = context
  const workers = readWorkers(paths.workers) ?? []
  const worker = workers.find((each) => each.name === name)
  if (!worker) return
  const staying = workers.filter((each) => each !== worker)
  const nodes = removable(nodeName(paths, record), [worker], staying)
  if (state.config.kubernetes.enabled) await removeNodes(execIn(machine), nodes, signal)
  if (!forget) return
  await unplugLink(machine.qmp, worker.number)
  if (state.config.kubernetes.enabled) await forgetWorkers(paths.workers, [name])
  else await markGone(paths.workers, name)
  const socket = path.join(instancePaths(context.home, name).folder, linkSockets(paths.profile).server)
  await removeSocket(socket, context.host.platform)
}
