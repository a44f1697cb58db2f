import { readFile, writeFile } from 'node:fs/promises'
import { guestEnv } from '../config/env.ts'
import { hostProxies, withExceptions } from '../config/host-proxies.ts'
import { externalName } from '../config/profile.ts'
import type { Config } from '../config/schema.ts'
import { seedDisk } from '../guest/seed.ts'
import { messageOf } from '../host/errors.ts'
import { ensureDir, writeFileAtomic } from '../host/files.ts'
import { terminate } from '../host/processes.ts'
import { prepareSocketPath } from '../host/sockets.ts'
import { homePaths } from '../instance/paths.ts'
import type { InstanceRecord } from '../instance/record.ts'
import { type InstanceState, writeState } from '../instance/state.ts'
import { mountOptions } from '../mounts/options.ts'
import { readResolvConf } from '../names/resolv-conf.ts'
import { engineNamed } from '../runtime/engines.ts'
import { knownHostsLine, sshConfigText } from '../ssh/config-file.ts'
import { userKey } from '../ssh/keys.ts'
import { hideInUserConfig, showInUserConfig } from '../ssh/user-config.ts'
import { clusterMac } from '../vm/cluster-link.ts'
import { qemuArguments, qemuProgram } from '../vm/command-line.ts'
import { endDaemons } from '../vm/daemons.ts'
import { launchQemu, type QemuProcess } from '../vm/process.ts'
import { certificateFiles } from './certificates.ts'
import type { AgentContext } from './context.ts'
import type { Prepared } from './prepare.ts'
import { shareFolders } from './shares.ts'
import type { NodeNetwork } from './workers.ts'

/** What a machine had before, and is to have again. */
export interface LaunchFacts {
  /** The port of SSH; 0 where there was none. */
  sshPort: number
  /** Its place among the nodes of a cluster, where it has one. */
  network: NodeNetwork | undefined
}

/**
 * Starts QEMU for a prepared instance, and what serves its mounts, and writes down that it runs. The guest then boots by
 * itself. When it throws, nothing of it runs.
 */
export async function launch(
  context: AgentContext,
  prepared: Prepared,
  config: Config,
  { sshPort, network }: LaunchFacts,
  signal: AbortSignal,
): Promise<{ qemu: QemuProcess; state: InstanceState }> {
  const { paths } = context
  try {
    return await launched(context, prepared, config, { sshPort, network }, signal)
  } catch (error) {
    await endDaemons(paths.daemons)
    throw error
  }
}

async function launched(
  context: AgentContext,
  prepared: Prepared,
  config: Config,
  { sshPort, network }: LaunchFacts,
  signal: AbortSignal,
): Promise<{ qemu: QemuProcess; state: InstanceState }> {
  const { paths } = context
  const { record, image, accelerator, facts } = prepared
  await writeFile(paths.seed, await seed(context, prepared, config, network), { mode: 0o600 })
  const mounts = await shareFolders(context, prepared, config, signal)
  const sockets = await qemuSockets(context)
  const args = qemuArguments({
    name: externalName(paths.profile),
    arch: record.arch,
    accelerator,
    cpuType: config.cpuType,
    cpus: config.cpus,
    memory: config.memory,
    kernel: image.kernel,
    initrd: image.initrd,
    rootDisk: paths.rootDisk,
    dataDisk: paths.dataDisk,
    seed: paths.seed,
    mac: record.mac,
    mounts,
    links: network?.links ?? (config.kubernetes.enabled ? [] : undefined),
    paths: {
      qmp: sockets.qmp,
      guestLink: sockets.guestLink,
      names: sockets.names,
      serialLog: paths.serialLog,
      pidFile: paths.pidFile,
    },
    capabilities: facts.capabilities,
  })
  const qemu = await launchQemu(qemuProgram(record.arch), args, paths.qemuLog)
  const state: InstanceState = {
    version: 1,
    config,
    accelerator,
    qemu: qemu.id,
    sshPort,
    mounts: config.mounts.map((mount, index) => ({ ...mount, index })),
    sockets: {
      ...sockets,
      mounts: mounts.type === 'sshfs' ? config.mounts.map((_, index) => mounts.sockets[index] ?? null) : [],
    },
    ready: false,
  }
  try {
    // Before anything else: an agent that comes after this one finds QEMU here.
    await writeState(paths.state, state)
  } catch (error) {
    await terminate(qemu.id, { graceMs: 0 })
    throw error
  }
  return { qemu, state }
}

async function seed(
  context: AgentContext,
  { record, accelerator }: Prepared,
  config: Config,
  network: NodeNetwork | undefined,
): Promise<Buffer> {
  const { paths, home, host } = context
  const key = await userKey(homePaths(home).keys)
  const { user } = record
  return await seedDisk({
    user,
    hostname: config.hostname === '' ? externalName(paths.profile) : config.hostname,
    names: { search: readResolvConf().search, fallback: config.network.dns.length === 0 },
    hostKey: await readFile(paths.hostKey, 'utf8'),
    authorizedKeys: [key.public],
    mounts: config.mounts.map((mount, index) => ({
      index,
      type: config.mountType,
      mountPoint: mount.mountPoint,
      options: mountOptions(config.mountType, { writable: mount.writable }),
    })),
    env: withExceptions(guestEnv({ ...hostProxies(host.env), ...config.env })),
    param: config.param,
    provision: config.provision,
    files: {
      ...engineNamed(config.runtime).seedFiles(config),
      ...certificateFiles(host.home, config.caCertificates),
      ...(config.binfmt ? { binfmt: '' } : {}),
      // Has each sshfs keep to one processor.
      ...(accelerator === 'tcg' ? { emulated: '' } : {}),
      // Has k3s.service start with the guest.
      ...(config.kubernetes.enabled ? { kubernetes: '' } : {}),
      ...(network ? { nodes: `${network.address} ${clusterMac(record.mac)}\n` } : {}),
    },
  })
}

async function qemuSockets({
  paths,
  host,
}: AgentContext): Promise<{ qmp: string; guestLink: string; names: string }> {
  await ensureDir(paths.folder)
  const place = async (name: string) => (await prepareSocketPath(paths.folder, name, host)).path
  return {
    qmp: await place('qmp.sock'),
    guestLink: await place('guest.sock'),
    names: await place('names.sock'),
  }
}

/**
 * Writes the ssh_config and known_hosts of an instance that has its SSH port, and shows or hides it in the user's own.
 * Gives what the user should know where that did not work.
 */
export async function writeSshFiles(
  context: AgentContext,
  record: InstanceRecord,
  sshPort: number,
  { forwardAgent, sshConfig }: Pick<Config, 'forwardAgent' | 'sshConfig'>,
): Promise<{ text: string; hint: string }[]> {
  const { paths, home, host } = context
  const alias = externalName(paths.profile)
  const key = await userKey(homePaths(home).keys)
  await writeFileAtomic(paths.knownHosts, knownHostsLine(alias, record.hostKey))
  const facts = {
    alias,
    port: sshPort,
    user: record.user.name,
    identityFile: key.file,
    knownHostsFile: paths.knownHosts,
    forwardAgent,
  }
  await writeFileAtomic(paths.sshConfig, sshConfigText(facts))
  const places = { userHome: host.home, folder: homePaths(home).sshLinks }
  try {
    if (sshConfig) await showInUserConfig(places, alias, paths.sshConfig)
    else await hideInUserConfig(places, alias)
    return []
  } catch (error) {
    const hint = `Use \`ssh -F ${paths.sshConfig} ${alias}\`, or set sshConfig to false.`
    return [{ text: `~/.ssh/config could not be changed: ${messageOf(error)}`, hint }]
  }
}
