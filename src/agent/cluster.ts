import { externalName } from '../config/profile.ts'
import type { Config } from '../config/schema.ts'
import type { Report } from '../host/progress.ts'
import type { InstanceRecord } from '../instance/record.ts'
import { type InstanceState, writeState } from '../instance/state.ts'
import { apiPort } from '../runtime/kubernetes/k3s.ts'
import type { ClusterAccess } from '../runtime/kubernetes/kubeconfig-text.ts'
import { clusterPort } from './cluster-port.ts'
import type { AgentContext } from './context.ts'
import type { ClusterParams } from './api.ts'
import { type ClusterFiles, clusterAccess, endCluster, fetchCluster, startCluster } from './kubernetes.ts'
import type { Machine } from './machine.ts'

/** A running machine that has a cluster, or may have one. */
export interface ClusterWorld {
  context: AgentContext
  machine: Machine
  record: InstanceRecord
  state: InstanceState
  report: Report
  signal: AbortSignal
}

/** Has the cluster of the settings run, and its API on a port of the host; gives how to come in. Throws like `startCluster`. */
export async function runCluster(
  world: ClusterWorld,
  config: Config,
  files: ClusterFiles,
): Promise<ClusterAccess> {
  const { context, machine, state, report, signal } = world
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
  const input = {
    config,
    profile: paths.profile,
    node: world.record.node ?? externalName(paths.profile),
    port,
    emulated: state.accelerator === 'tcg',
    portProblem: () => {
      const failed = forwards().find((each) => each.hostPort === port && each.state === 'failed')
      return failed && `port ${port} of this computer does not lead to the cluster: ${failed.reason}`
    },
    exec: execIn(machine),
    docker: dockerIn(machine),
    imagesMemory: paths.clusterImages,
    report,
    signal,
  }
  return await startCluster(input, files)
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
  running: { cluster?: ClusterAccess },
  { action, kubernetes: given, mirror }: Omit<ClusterParams, 'changes'>,
): Promise<void> {
  const { context, state, report, signal } = world
  const enabled = action === 'start' || action === 'reset'
  const config = { ...state.config, kubernetes: { ...(given ?? state.config.kubernetes), enabled } }
  // Before anything goes: what a new one needs may not be to be had.
  const files = enabled ? await fetchCluster(context, config, mirror, report, signal) : undefined
  // One that does not run may have other settings from now on.
  const idle = action === 'stop' && !state.config.kubernetes.enabled
  if (!idle && action !== 'start' && action !== 'access') await quitCluster(world, action)
  delete running.cluster
  const keep = async (kubernetes: Config['kubernetes']) => {
    state.config = { ...state.config, kubernetes }
    await writeState(context.paths.state, state)
  }
  if (action !== 'start') await keep({ ...config.kubernetes, enabled: false })
  if (!files) return
  running.cluster = await runCluster(world, config, files)
  // Not before: the next start is to try again.
  await keep(config.kubernetes)
}

/** How to come into the cluster that runs. Throws `not-running` when there is none. */
export async function accessToCluster({
  machine,
  state,
  signal,
}: Pick<ClusterWorld, 'machine' | 'state' | 'signal'>): Promise<ClusterAccess> {
  return await clusterAccess({ exec: execIn(machine), port: state.kubernetesPort ?? 0, signal })
}

function dockerIn(machine: Machine) {
  return async () => await machine.openUnix('/run/docker.sock')
}

function execIn(machine: Machine) {
  return async (command: string) => await (await machine.ssh.get()).exec(command)
}
