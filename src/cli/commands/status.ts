import path from 'node:path'
import type { AgentStatus } from '../../agent/api.ts'
import { callAgent } from '../../agent/client.ts'
import { agentSocket } from '../../agent/spawn.ts'
import { externalName } from '../../config/profile.ts'
import { formatSize } from '../../config/units.ts'
import { TcolimaError } from '../../host/errors.ts'
import { connectablePath } from '../../host/sockets.ts'
import { readLock } from '../../host/lock.ts'
import { type InstancePaths, instancePaths } from '../../instance/paths.ts'
import { distroOf } from '../../instance/record.ts'
import { type InstanceView, viewInstance } from '../../instance/view.ts'
import { engineNamed } from '../../runtime/engines.ts'
import { type CommandContext, isOn } from '../command.ts'
import { jsonLine, renderWarning } from '../render/output.ts'
import { hostEnd } from '../render/ports.ts'

// Milliseconds an agent has: a status must not hang.
const limitMs = 3000

/** `tcolima status` */
export async function run(context: CommandContext): Promise<number> {
  const { home, profile, output, host } = context
  const name = externalName(profile)
  const view = viewInstance(home, profile)
  if (!view) {
    throw new TcolimaError('not-found', `there is no machine ${profile}`, {
      hint: `Make it with: tcolima start ${profile}`,
    })
  }
  if (view.status !== 'Running' || !view.state || !view.record) {
    const reason = view.reason === undefined ? '' : ` (${view.reason})`
    throw new TcolimaError('not-running', `${name} is ${view.status.toLowerCase()}${reason}`, {
      hint: view.hint ?? `tcolima start ${profile}`,
    })
  }
  const paths = instancePaths(home, profile)
  const agent = await callAgent(agentSocket(paths, host), 'status', {}, { limitMs }).catch(() => undefined)
  const sockets = engineNamed(view.record.runtime).sockets.map(({ name }) => ({
    name: path.basename(name, '.sock'),
    path: connectablePath(path.join(paths.folder, name), host.platform),
  }))
  const facts = {
    ...statusFacts(view, agent, sockets),
    ...(isOn(context, 'extended') ? extendedFacts(view, paths) : {}),
  }
  if (output.json) jsonLine(output, facts)
  else output.out(statusText(facts))
  for (const { text, hint } of agent?.warnings ?? []) renderWarning(output, text, hint)
  if (!agent)
    renderWarning(output, 'no agent looks after it: mounts and ports are dead', `tcolima start ${profile}`)
  return 0
}

/** Where a socket of the engine is on the host; named without its ending. */
interface EngineSocketPath {
  name: string
  path: string
}

/** What `status --json` gives: Colima's fields, and ours beside them. */
function statusFacts(view: InstanceView, agent: AgentStatus | undefined, sockets: EngineSocketPath[]) {
  const { state, record, name } = view
  return {
    display_name: externalName(name),
    driver: 'QEMU',
    status: view.status,
    arch: record?.arch ?? '',
    distro: record ? distroOf(record) : '',
    runtime: record?.runtime ?? '',
    accelerator: state?.accelerator ?? '',
    mount_type: state?.config.mountType ?? '',
    // Colima's name for it. Podman speaks docker's API too.
    docker_socket: sockets.find(({ name }) => name === 'docker' || name === 'podman')?.path ?? '',
    sockets: Object.fromEntries(sockets.map(({ name, path }) => [name, path])),
    kubernetes: state?.config.kubernetes.enabled ?? false,
    cpu: state?.config.cpus ?? 0,
    memory: state?.config.memory ?? 0,
    disk: state?.config.disk ?? 0,
    ssh_port: state?.sshPort ?? 0,
    ...clusterFacts(state),
    mounts: agent?.mounts ?? [],
    ports: agent?.ports ?? [],
  }
}

/** Where a cluster's API is on this computer, or whose node the machine is. */
function clusterFacts(state: InstanceView['state']): {
  kubernetes_server?: string
  kubernetes_join?: string
} {
  if (!state?.config.kubernetes.enabled) return {}
  const { join } = state.config.kubernetes
  if (join !== '') return { kubernetes_join: join }
  return state.kubernetesPort === undefined
    ? {}
    : { kubernetes_server: `https://127.0.0.1:${state.kubernetesPort}` }
}

/** What `status --extended` gives beside them. */
function extendedFacts({ state, record }: InstanceView, paths: InstancePaths) {
  return {
    config: paths.config,
    log: paths.agentLog,
    ssh_config: paths.sshConfig,
    image: record?.imageDigest ?? '',
    created: record?.created ?? '',
    qemu_pid: state?.qemu.pid ?? 0,
    agent_pid: readLock(paths.lock)?.owner.pid ?? 0,
  }
}

type Facts = ReturnType<typeof statusFacts> & Partial<ReturnType<typeof extendedFacts>>

function clusterText({ kubernetes_server: server, kubernetes_join: join }: Facts): string {
  return join === undefined ? (server ?? '') : `a node of ${join}`
}

function statusText(facts: Facts): string {
  const line = (name: string, value: string) => `${`${name}:`.padEnd(14)} ${value}\n`
  return [
    `${facts.display_name} is running\n`,
    line('arch', `${facts.arch} (${facts.accelerator})`),
    line('cpus', String(facts.cpu)),
    line('memory', formatSize(facts.memory)),
    line('disk', formatSize(facts.disk)),
    line('distro', facts.distro),
    line('runtime', facts.runtime),
    ...(facts.kubernetes ? [line('kubernetes', clusterText(facts))] : []),
    line('mount type', facts.mount_type),
    ...Object.entries(facts.sockets).map(([name, path]) => line(`${name} socket`, path)),
    ...(facts.config === undefined
      ? []
      : [
          line('settings', facts.config),
          line('ssh port', String(facts.ssh_port)),
          line('ssh config', facts.ssh_config ?? ''),
          line('log', facts.log ?? ''),
          line('image', `${facts.image}, made ${facts.created}`),
          line('processes', `QEMU ${facts.qemu_pid}, agent ${facts.agent_pid}`),
        ]),
    ...facts.mounts.map(({ mountPoint, location, writable, state, detail }) => {
      const from = location === mountPoint ? '' : ` from ${location}`
      return line(
        'mount',
        `${mountPoint}${from}, ${writable ? 'writable' : 'read-only'}, ${state} ${detail}`.trimEnd(),
      )
    }),
    ...facts.ports.map((port) => {
      const { guestPort, guestSocket, proto, reverse, state, reason } = port
      const guest = guestSocket ?? (proto === 'udp' ? `${guestPort}/udp` : String(guestPort))
      const [from, to] = reverse ? [`guest ${guest}`, hostEnd(port)] : [hostEnd(port), guest]
      return line('port', `${from} -> ${to}${state === 'active' ? '' : `, not forwarded: ${reason}`}`)
    }),
  ].join('')
}
