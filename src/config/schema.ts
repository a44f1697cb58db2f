import * as z from 'zod'
import type { Checked } from './checked.ts'
import {
  type Accel,
  type Arch,
  checkAccel,
  checkArch,
  checkCpuType,
  checkDistro,
  checkHostname,
  checkMountType,
  checkOciRuntime,
  checkRuntime,
  type Distro,
  type MountType,
  type OciRuntime,
  type Runtime,
} from './choices.ts'
import type { FlagBase } from './flags.ts'
import { checkEnvName, checkEnvValue, checkParamName } from './env.ts'
import { ignoredNetworkShape, ignoredShape } from './ignored.ts'
import { checkMirror } from './mirror.ts'
import { checkCpus, checkDisk, checkMemory, checkRootDisk, checkSshPort } from './limits.ts'
import type { KubernetesConfig } from './kubernetes.ts'
import { kubernetesSchema } from './kubernetes-schema.ts'
import { clashingMount, type MountSpec, resolveMount } from './mounts.ts'
import {
  checkName,
  checkNameServer,
  checkNameTarget,
  circularName,
  type NetworkConfig,
  plainName,
} from './names.ts'
import { absolutePath } from './paths.ts'
import { clashingForward } from './port-clashes.ts'
import { type PortForward, resolvePortForward } from './port-forwards.ts'
import { type Probe, probesSchema, type ProvisionScript, provisionSchema } from './scripts.ts'

/** All settings of an instance, with nothing left to look up. */
export interface Config {
  /** Virtual processors; the key `cpu`. */
  cpus: number
  /** Bytes, a multiple of 1 MiB. */
  memory: number
  /** Bytes of the data disk, a multiple of 1 MiB. */
  disk: number
  arch: Arch
  distro: Distro
  runtime: Runtime
  /** Empty: nothing is mounted. A mount comes after the one it lies within. */
  mounts: MountSpec[]
  mountType: MountType
  /** Whether changes on the host reach watchers in the guest. */
  mountInotify: boolean
  /** Names of files and folders whose changes do not (see `notify/ignores.ts` for the patterns). */
  mountInotifyIgnore: readonly string[]
  accel: Accel
  /** QEMU's name of the processor; '': the best the accelerator offers. */
  cpuType: string
  /** Whether the host's docker client is pointed at this instance; the key `autoActivate`. */
  activate: boolean
  /** Merged into the guest's daemon.json. */
  docker: Record<string, unknown>
  /** '': the profile's external name. */
  hostname: string
  network: NetworkConfig
  /** The user's rules, first match first; what none of them matches goes by the defaults. */
  portForwards: readonly PortForward[]
  /** Whether the guest's user can use the SSH agent of the host. */
  forwardAgent: boolean
  /** Port of the host's loopback that leads to the guest's SSH; 0: a free one. */
  sshPort: number
  /** Whether `ssh <name>` finds the instance: the user's own ssh_config includes its. */
  sshConfig: boolean
  /** Bytes of the system disk. */
  rootDisk: number
  /** Variables in the environment of everything in the guest. */
  env: Record<string, string>
  provision: readonly ProvisionScript[]
  probes: readonly Probe[]
  /** Whether programs of other processors run in the guest. */
  binfmt: boolean
  /** Texts for `{{.Param.NAME}}` in others, and for `PARAM_NAME` in provision scripts. */
  param: Record<string, string>
  kubernetes: KubernetesConfig
  ociRuntime: OciRuntime
  /** Whether podman runs as the guest's user, without root's rights. */
  rootless: boolean
  /** Files on this computer with certificates that everything in the guest trusts; absolute. */
  caCertificates: readonly string[]
  /** Where artefacts come from: a URL or an absolute folder; '': their releases. */
  mirror: string
}

/** What the configuration depends on outside the file; `cwd` is undefined when the current folder no longer exists. */
export interface HostFacts extends FlagBase {
  arch: Arch
}

/** The keys of the file after the check, under the file's names, values in their final form; absent where not set. */
export type Settings = z.output<ReturnType<typeof settingsSchema>>

/** The schema of the file for a host. The message of an issue continues a sentence that begins with the key. */
export function settingsSchema(host: HostFacts) {
  return z.strictObject({
    cpu: checkedBy((value) => checkCpus(value, host.cpus)),
    memory: checkedBy((value) => checkMemory(value, host.totalMemory), orUnit),
    disk: checkedBy(checkDisk, orUnit),
    arch: checkedBy(checkArch),
    distro: checkedBy(checkDistro),
    runtime: checkedBy(checkRuntime),
    mounts: mountsSchema(host.home).nullish(),
    mountType: checkedBy(checkMountType),
    mountInotify: z.boolean('must be true or false').optional(),
    mountInotifyIgnore: z.array(z.string('must be text'), 'must be a list of names').optional(),
    accel: checkedBy(checkAccel),
    cpuType: checkedBy(checkCpuType),
    autoActivate: z.boolean('must be true or false').optional(),
    docker: z.record(z.string(), z.unknown(), 'must be a map: the keys of daemon.json').optional(),
    hostname: checkedBy(checkHostname),
    network: networkSchema().optional(),
    portForwards: portForwardsSchema(host.home).optional(),
    forwardAgent: z.boolean('must be true or false').optional(),
    sshPort: checkedBy(checkSshPort),
    sshConfig: z.boolean('must be true or false').optional(),
    rootDisk: checkedBy(checkRootDisk, orUnit),
    env: textMapSchema(checkEnvName, 'must be a map of variables').optional(),
    provision: provisionSchema().optional(),
    probes: probesSchema().optional(),
    binfmt: z.boolean('must be true or false').optional(),
    param: textMapSchema(checkParamName, 'must be a map of parameters').optional(),
    kubernetes: kubernetesSchema().optional(),
    ociRuntime: checkedBy(checkOciRuntime),
    rootless: z.boolean('must be true or false').optional(),
    caCertificates: z.array(certificateSchema(host.home), 'must be a list of files').optional(),
    mirror: checkedBy((value) => checkMirror(value, host.home)),
    ...ignoredShape(),
  })
}

function certificateSchema(home: string) {
  return z.string('must be the path of a file').transform((text, ctx): string => {
    const file = absolutePath(text, home)
    if (file !== undefined) return file
    ctx.issues.push({
      code: 'custom',
      message: 'must be an absolute path, or one that begins with ~/',
      input: text,
    })
    return z.NEVER
  })
}

const orUnit = ' (or a size such as "512MiB")'

function mountsSchema(home: string) {
  const entry = z
    .strictObject(
      {
        location: z.string('must be the path of a folder'),
        mountPoint: z.string('must be an absolute path in the guest').nullish(),
        writable: z.boolean('must be true or false').nullish(),
      },
      {
        error: (issue) => (issue.code === 'invalid_type' ? 'must be a map with the key location' : undefined),
      },
    )
    .transform((mount, ctx): MountSpec => {
      const result = resolveMount(mount, home)
      if (result.ok) return result.value
      // Without input the message ends here: the value as a whole would only repeat what it already names.
      ctx.issues.push({ code: 'custom', message: `is wrong: ${result.problem}`, input: undefined })
      return z.NEVER
    })
  const list = z.array(entry, 'must be a list of folders, [] for the home folder, or null for none')
  return list.superRefine((mounts, ctx) => {
    const index = clashingMount(mounts)
    if (index < 0) return
    const message = `is wrong: ${mounts[index]?.mountPoint} is the place of an earlier mount`
    ctx.issues.push({ code: 'custom', message, input: undefined, path: [index] })
  })
}

function textMapSchema(checkKey: (name: string) => Checked<string>, what: string) {
  const value = required(checkEnvValue)
  return z.record(z.string(), value, what).superRefine((given, ctx) => {
    for (const key of Object.keys(given)) {
      const name = checkKey(key)
      if (name.ok) continue
      const message = `is wrong: ${JSON.stringify(key)} ${name.problem}`
      ctx.issues.push({ code: 'custom', message, input: undefined, path: [key] })
    }
  })
}

/** Names, and Colima's other keys of the network (see ignored.ts). */
function networkSchema() {
  const server = required(checkNameServer)
  const target = required(checkNameTarget)
  const hosts = z
    .record(z.string(), target, 'must be a map of names to IP addresses or other names')
    .transform((given, ctx): Record<string, string> => {
      const issue = (message: string, key: string) =>
        ctx.issues.push({ code: 'custom', message, input: undefined, path: [key] })
      const named: Record<string, string> = {}
      for (const [key, value] of Object.entries(given)) {
        const name = checkName(key)
        if (!name.ok) issue(`is wrong: ${JSON.stringify(key)} ${name.problem}`, key)
        else if (Object.hasOwn(named, name.value)) issue(`is wrong: ${name.value} is there twice`, key)
        else named[name.value] = value
      }
      const circular = circularName(named)
      if (circular !== undefined) {
        const key = Object.keys(given).find((each) => plainName(each) === circular) ?? circular
        issue('is wrong: it stands for itself', key)
      }
      return named
    })
  return z.strictObject(
    {
      dns: z.array(server, 'must be a list of IP addresses of name servers').nullish(),
      dnsHosts: hosts.nullish(),
      ...ignoredNetworkShape(),
    },
    { error: (issue) => (issue.code === 'invalid_type' ? 'must be a map' : undefined) },
  )
}

function required<T>(check: (value: unknown) => Checked<T>) {
  return z.unknown().transform((value, ctx): T => {
    const result = check(value)
    if (result.ok) return result.value
    ctx.issues.push({ code: 'custom', message: result.problem, input: value })
    return z.NEVER
  })
}

function portForwardsSchema(home: string) {
  const list = z.array(portForwardSchema(home), 'must be a list of rules')
  return list.superRefine((rules, ctx) => {
    const clash = clashingForward(rules)
    if (!clash) return
    const message = `is wrong: portForwards[${clash.earlier}] brings something else to ${clash.what}`
    ctx.issues.push({ code: 'custom', message, input: undefined, path: [clash.later] })
  })
}

function portForwardSchema(home: string) {
  const text = z.string('must be text').nullish()
  const flag = z.boolean('must be true or false').nullish()
  const isPort = 'must be a port from 1 to 65535'
  const port = z.int(isPort).min(1, isPort).max(65_535, isPort)
  const range = z.tuple([port, port], 'must be the first and the last port, such as [3000, 3009]')
  const shape = {
    guestIP: text,
    guestIPMustBeZero: flag,
    guestPort: port.nullish(),
    guestPortRange: range.nullish(),
    guestSocket: text,
    hostIP: text,
    hostPort: port.nullish(),
    hostPortRange: range.nullish(),
    hostSocket: text,
    proto: z.enum(['tcp', 'udp', 'any'], 'must be tcp, udp or any').nullish(),
    ignore: flag,
    reverse: flag,
    static: flag,
  }
  return z
    .strictObject(shape, {
      error: (issue) =>
        issue.code === 'invalid_type' ? 'must be a map with keys such as guestPort and hostPort' : undefined,
    })
    .transform((entry, ctx): PortForward => {
      const result = resolvePortForward(entry, home)
      if (result.ok) return result.value
      const { key, problem } = result
      const path = key === undefined ? [] : [key]
      ctx.issues.push({ code: 'custom', message: problem, input: undefined, path })
      return z.NEVER
    })
}

/** A key whose values one of the check functions judges, so that the file and the flags have the same rules. */
function checkedBy<T>(check: (value: unknown) => Checked<T>, more = '') {
  return z
    .unknown()
    .transform((value, ctx): T => {
      const result = check(value)
      if (result.ok) return result.value
      ctx.issues.push({ code: 'custom', message: result.problem + more, input: value })
      return z.NEVER
    })
    .optional()
}
