import path from 'node:path'
import type { Config } from '../config/schema.ts'
import { TcolimaError } from '../host/errors.ts'
import { removeSocket } from '../host/sockets.ts'
import type { Report } from '../host/progress.ts'
import { linkSockets } from '../instance/paths.ts'
import type { InstanceRecord } from '../instance/record.ts'
import { type InstanceState, writeState } from '../instance/state.ts'
import { apiPort } from '../runtime/kubernetes/k3s.ts'
import type { ClusterAccess } from '../runtime/kubernetes/kubeconfig-text.ts'
import { clusterPort } from './cluster-port.ts'
import type { AgentContext } from './context.ts'
import { plugLink, unplugLink } from '../vm/cluster-link.ts'
import type { Admission, ClusterParams } from './api.ts'
import { type ClusterFiles, clusterAccess, endCluster, fetchCluster, startCluster } from './kubernetes.ts'
import { nodeName, removeGone } from './gone-workers.ts'
import { askAdmission, leaveServer } from './join.ts'
import type { Machine } from './machine.ts'
import { setNodeAddress } from './node-network.ts'
import { forgetWorkers, isThere, linkOf, nodeAddress, readWorkers, serverNumber } from './workers.ts'

/** A running machine that has a cluster, or may have one. */
export interface ClusterWorld {
  context: AgentContext
  machine: Machine
  record: InstanceRecord
  state: InstanceState
  report: Report
  signal: AbortSignal
}

/** What makes a machine a node among several. */
export interface Membership {
  /** The address that it has, or is to have from now on; absent: the one it has, if any. */
  address?: string
  /** The cluster of another machine that it joins. */
  admission?: Admission | undefined
}

/**
 * Has the cluster of the settings run, and its API on a port of the host, or the node of another's; gives how to come into a cluster of its
 * own. Throws like `startCluster`.
 */
export async function runCluster(
  world: ClusterWorld,
  config: Config,
  files: ClusterFiles,
  { admission, address }: Membership = {},
): Promise<ClusterAccess | undefined> {
  const { context, machine, record, state, signal } = world
  const former = readWorkers(context.paths.workers) ? nodeAddress(serverNumber) : undefined
  const own = admission?.address ?? address ?? former
  const exec = execIn(machine)
  const node = nodeName(context.paths, record)
  const card = own === undefined ? '' : await setNodeAddress(exec, record.mac, own, signal)
  const place = own === undefined ? undefined : { address: own, card }
  const input = {
    config,
    profile: context.paths.profile,
    node,
    emulated: state.accelerator === 'tcg',
    exec,
    docker: dockerIn(machine),
    imagesMemory: context.paths.clusterImages,
    place,
    admission,
    report: world.report,
    signal,
  }
  if (!admission) {
    const access = await startCluster({ ...input, ...(await apiOnHost(world, config)) }, files)
    const workers = readWorkers(context.paths.workers) ?? []
    const staying = workers.filter((worker) => isThere(context.home, worker))
    const gone = workers.filter((worker) => !staying.includes(worker))
    const done = await removeGone({ own: node, gone, staying, exec, report: world.report, signal })
    await forgetWorkers(
      context.paths.workers,
      done.map(({ name }) => name),
    )
    return access
  }
  machine.setPortForwards(config.portForwards, 'worker')
  await startCluster({ ...input, port: 0, portProblem: () => undefined }, files)
  return undefined
}

/** Chooses the port of the host for the API and has it lead there. */
async function apiOnHost(
  { context, machine, state }: ClusterWorld,
  config: Config,
): Promise<{ port: number; portProblem: () => string | undefined }> {
  const { paths } = context
  const forwards = () => machine.ports().filter((each) => each.guestPort === apiPort && !each.reverse)
  const before = state.kubernetesPort
  const { port: wanted } = config.kubernetes
  const keeps =
    before !== undefined &&
    (wanted === 0 || wanted === before) &&
    forwards().some((each) => each.hostPort === before && each.state === 'active')
  const port = keeps ? before : await clusterPort(wanted, before)
  state.kubernetesPort = port
  await writeState(paths.state, state)
  machine.setPortForwards(config.portForwards, port)
  return {
    port,
    portProblem: () => {
      const failed = forwards().find((each) => each.hostPort === port && each.state === 'failed')
      return failed && `port ${port} of this computer does not lead to the cluster: ${failed.reason}`
    },
  }
}

/** Stops, resets or deletes the cluster; its API is on no port of the host any more. */
async function quitCluster(world: ClusterWorld, how: 'stop' | 'reset' | 'delete'): Promise<void> {
  const { machine, state, report, signal } = world
  const { config } = state
  await endCluster(how, { config, exec: execIn(machine), docker: dockerIn(machine), report, signal })
  machine.setPortForwards(state.config.portForwards, undefined)
}

/**
 * Does to the cluster of a running machine what was asked, and keeps in its state what it is to be. `running` has how to come
 * in afterwards. Throws like `fetchCluster` and `runCluster`.
 */
export async function changeCluster(
  world: ClusterWorld,
  running: { cluster?: ClusterAccess | undefined },
  { action, kubernetes: given, mirror }: Omit<ClusterParams, 'changes'>,
): Promise<void> {
  const { context, machine, state, report, signal } = world
  const enabled = action === 'start' || action === 'reset'
  const config = { ...state.config, kubernetes: { ...(given ?? state.config.kubernetes), enabled } }
  // Before anything goes: what a new one needs may not be to be had.
  const admission = await askAdmission(context, config, mirror, report, signal)
  const files = enabled
    ? await fetchCluster(context, asServer(config, admission), mirror, report, signal)
    : undefined
  // One that does not run may have other settings from now on.
  const idle = action === 'stop' && !state.config.kubernetes.enabled
  if (!idle && action !== 'start' && action !== 'access') await quitCluster(world, action)
  const left = state.config.kubernetes.join
  if (left !== '' && (action !== 'start' || left !== config.kubernetes.join)) {
    const forget = action === 'delete' || left !== config.kubernetes.join
    const warning = await leaveServer(context, left, context.paths.profile, forget)
    if (warning !== undefined) report({ type: 'warning', text: warning })
    if (forget) {
      await unplugLink(machine.qmp, serverNumber)
      const { folder } = context.paths
      await removeSocket(path.join(folder, linkSockets(left).worker), context.host.platform)
    }
  }
  delete running.cluster
  const keep = async (kubernetes: Config['kubernetes']) => {
    state.config = { ...state.config, kubernetes }
    await writeState(context.paths.state, state)
  }
  if (action !== 'start') await keep({ ...config.kubernetes, enabled: false })
  if (!files) return
  if (admission) {
    const { join } = config.kubernetes
    // Its number may be one of theirs, and their nodes are none of this cluster.
    for (const { number } of readWorkers(context.paths.workers) ?? []) await unplugLink(machine.qmp, number)
    await plugLink(machine.qmp, await linkOf('worker', join, admission.worker, context.home, context.host))
  }
  running.cluster = await runCluster(world, config, files, { admission })
  // Not before: the next start is to try again.
  await keep(config.kubernetes)
}

/** How to come into the cluster that runs. Throws `not-running` when there is none. */
export async function accessToCluster({
  machine,
  state,
  signal,
}: Omit<ClusterWorld, 'context' | 'record' | 'report'>): Promise<ClusterAccess> {
  const { join } = state.config.kubernetes
  if (state.config.kubernetes.enabled && join !== '') {
    throw new TcolimaError(
      'not-running',
      `this machine has no cluster of its own: it is a node of ${join}'s`,
      {
        hint: `Ask there: tcolima kubernetes kubeconfig -p ${join}`,
      },
    )
  }
  return await clusterAccess({ exec: execIn(machine), port: state.kubernetesPort ?? 0, signal })
}

/** The settings with the server's release of k3s, where they name none and a server is joined: all nodes are to have the same. Pure. */
export function asServer(config: Config, admission: Admission | undefined): Config {
  if (!admission || config.kubernetes.version !== '') return config
  return { ...config, kubernetes: { ...config.kubernetes, version: admission.version } }
}

function dockerIn(machine: Machine) {
  return async () => await machine.openUnix('/run/docker.sock')
}

/** Runs commands in a machine. */
export function execIn(machine: Machine) {
  return async (command: string) => await (await machine.ssh.get()).exec(command)
}
