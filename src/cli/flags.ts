import type { FlagValues } from '../config/flags.ts'
import type { HostFacts } from '../config/schema.ts'
import { TcolimaError } from '../host/errors.ts'
import type { Host } from '../host/platform.ts'
import { type CommandContext, textOf } from './command.ts'
import { isForOtherHypervisor } from './no-effect.ts'

/** The settings among a command's flags, as typed. Throws `usage` where two spellings of one flag differ. */
export function configFlags(context: CommandContext): Partial<FlagValues> {
  const { flags } = context
  const cpus = textOf(context, 'cpus')
  const cpu = textOf(context, 'cpu')
  if (cpus !== undefined && cpu !== undefined && cpus !== cpu) {
    throw new TcolimaError('usage', `--cpus ${cpus} and --cpu ${cpu} are the same setting`)
  }
  const values = {
    cpus: cpus ?? cpu,
    memory: textOf(context, 'memory'),
    disk: textOf(context, 'disk'),
    arch: textOf(context, 'arch'),
    distro: textOf(context, 'distro'),
    runtime: textOf(context, 'runtime'),
    mountType: isForOtherHypervisor(flags) ? undefined : textOf(context, 'mountType'),
    mountInotify: onOrOff('--mount-inotify', flags.mountInotify),
    accel: textOf(context, 'accel'),
    cpuType: textOf(context, 'cpuType'),
    hostname: textOf(context, 'hostname'),
    mount: flags.mount as string[] | undefined,
    dns: flags.dns as string[] | undefined,
    dnsHost: flags.dnsHost as string[] | undefined,
    activate: onOrOff('--activate', flags.activate),
    sshAgent: onOrOff('--ssh-agent', flags.sshAgent),
    sshPort: textOf(context, 'sshPort'),
    sshConfig: onOrOff('--ssh-config', flags.sshConfig),
    rootDisk: textOf(context, 'rootDisk'),
    env: flags.env as string[] | undefined,
    binfmt: onOrOff('--binfmt', flags.binfmt),
    param: flags.param as string[] | undefined,
    kubernetes: onOrOff('--kubernetes', flags.kubernetes ?? flags.withKubernetes),
    kubernetesVersion: textOf(context, 'kubernetesVersion'),
    kubernetesPort: textOf(context, 'kubernetesPort') ?? textOf(context, 'k3sListenPort'),
    kubernetesJoin: textOf(context, 'kubernetesJoin'),
    k3sArg: flags.k3sArg as string[] | undefined,
    ociRuntime: textOf(context, 'ociRuntime'),
    rootless: onOrOff('--rootless', flags.rootless),
    caCertificate: flags.caCertificate as string[] | undefined,
    mirror: textOf(context, 'mirror'),
  }
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined))
}

/** The current folder; undefined when it no longer exists. */
export function workingFolder(): string | undefined {
  try {
    return process.cwd()
  } catch {
    return undefined
  }
}

/** What settings are measured against. */
export function hostFacts({ home, arch, cpus, totalMemory }: Host): HostFacts {
  return { home, cwd: workingFolder(), arch, cpus, totalMemory }
}

/** The value of a flag that is on or off, undefined where it was not given. Throws `usage` for another. */
export function onOrOff(flag: string, value: unknown): boolean | undefined {
  if (value === undefined || typeof value === 'boolean') return value
  if (value === 'true') return true
  if (value === 'false') return false
  throw new TcolimaError('usage', `${flag} takes true or false, not ${JSON.stringify(value)}`)
}
