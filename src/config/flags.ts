import path from 'node:path'
import { TcolimaError } from '../host/errors.ts'
import { type Checked, shown } from './checked.ts'
import {
  checkAccel,
  checkArch,
  checkCpuType,
  checkDistro,
  checkHostname,
  checkMountType,
  checkOciRuntime,
  checkRuntime,
} from './choices.ts'
import { checkEnvName, checkEnvValue, checkParamName } from './env.ts'
import { listArguments, listWords } from './flag-lists.ts'
import { checkJoin, checkK3sArg, checkKubernetesPort, parseK3sVersion } from './kubernetes.ts'
import { checkMirror } from './mirror.ts'
import { checkCpus, checkDisk, checkMemory, checkRootDisk, checkSshPort } from './limits.ts'
import { asEntry, clashingMount, type MountEntry, type PathBase, parseMountFlag } from './mounts.ts'
import { checkName, checkNameServer, checkNameTarget, circularName } from './names.ts'
import { absolutePath } from './paths.ts'
import { plainNumber } from './units.ts'

/** The settings of the command line as text, as the user typed them. */
export interface FlagValues {
  /** `--cpus` */
  cpus: string
  /** `--memory`: GiB, a plain number. */
  memory: string
  /** `--disk`: GiB, a plain whole number. */
  disk: string
  /** `--arch` */
  arch: string
  /** `--distro` */
  distro: string
  /** `--runtime` */
  runtime: string
  /** `--mount`, once for each folder, or several with commas, or once with `none`. Takes the place of all mounts of the file. */
  mount: readonly string[]
  /** `--mount-type` */
  mountType: string
  /** `--mount-inotify` */
  mountInotify: boolean
  /** `--accel` */
  accel: string
  /** `--cpu-type` */
  cpuType: string
  /** `--activate` */
  activate: boolean
  /** `--hostname` */
  hostname: string
  /** `--dns`, once for each name server, or several with commas. Takes the place of the file's. */
  dns: readonly string[]
  /** `--dns-host`, `NAME=VALUE`. Takes the place of the file's. */
  dnsHost: readonly string[]
  /** `--ssh-agent` */
  sshAgent: boolean
  /** `--ssh-port` */
  sshPort: string
  /** `--ssh-config` */
  sshConfig: boolean
  /** `--root-disk`: GiB, a plain whole number. */
  rootDisk: string
  /** `--kubernetes` */
  kubernetes: boolean
  /** `--kubernetes-version` */
  kubernetesVersion: string
  /** `--kubernetes-port` */
  kubernetesPort: string
  /** `--kubernetes-join`; also turns Kubernetes on. */
  kubernetesJoin: string
  /** `--k3s-arg`, once for each, or several with commas. Takes the place of the file's. */
  k3sArg: readonly string[]
  /** `--env`, `NAME=VALUE`, once for each. Takes the place of the file's. */
  env: readonly string[]
  /** `--binfmt` */
  binfmt: boolean
  /** `--param`, `NAME=VALUE`, once for each. Takes the place of the file's. */
  param: readonly string[]
  /** `--oci-runtime` */
  ociRuntime: string
  /** `--rootless` */
  rootless: boolean
  /** `--ca-certificate`, once for each file, or several with commas. Takes the place of the file's. */
  caCertificate: readonly string[]
  /** `--mirror` */
  mirror: string
}

/** New values for keys of the file, in the form the file has them. A key that is undefined or absent stays as it is. */
export interface ConfigChanges {
  cpu?: number | undefined
  /** GiB, or text with a unit. */
  memory?: number | string | undefined
  /** GiB, or text with a unit. */
  disk?: number | string | undefined
  arch?: string | undefined
  distro?: string | undefined
  runtime?: string | undefined
  /** null: nothing is mounted; []: the home folder. */
  mounts?: MountEntry[] | null | undefined
  mountType?: string | undefined
  mountInotify?: boolean | undefined
  accel?: string | undefined
  cpuType?: string | undefined
  autoActivate?: boolean | undefined
  docker?: Record<string, unknown> | undefined
  hostname?: string | undefined
  /** Only these parts of the key are set. */
  network?: { dns?: string[]; dnsHosts?: Record<string, string> } | undefined
  /** Only these parts of the key are set. */
  kubernetes?:
    | { enabled?: boolean; version?: string; port?: number; join?: string; k3sArgs?: string[] }
    | undefined
  forwardAgent?: boolean | undefined
  sshPort?: number | undefined
  sshConfig?: boolean | undefined
  /** GiB, or text with a unit. */
  rootDisk?: number | string | undefined
  env?: Record<string, string> | undefined
  binfmt?: boolean | undefined
  param?: Record<string, string> | undefined
  ociRuntime?: string | undefined
  rootless?: boolean | undefined
  caCertificates?: string[] | undefined
  mirror?: string | undefined
}

/** What a flag is measured against: the host's processors and memory (bytes), and where its paths begin. */
export interface FlagBase extends PathBase {
  cpus: number
  totalMemory: number
}

/** Takes the flags given; gives the changes they make to the file. Throws `usage`, naming the flag and what it takes. */
export function flagChanges(flags: Partial<FlagValues>, base: FlagBase): ConfigChanges {
  // What is not plainly a number goes on as NaN, which no range holds; so `1.5GiB`, fine in the file, is refused here.
  const number = (text: string) => plainNumber(text) ?? Number.NaN
  return withoutUndefined<ConfigChanges>({
    cpu: checked('--cpus', flags.cpus, (text) => checkCpus(number(text), base.cpus), number),
    memory: checked('--memory', flags.memory, (text) => checkMemory(number(text), base.totalMemory), number),
    disk: checked('--disk', flags.disk, (text) => checkDisk(number(text)), number),
    arch: checked('--arch', flags.arch, checkArch),
    distro: checked('--distro', flags.distro, checkDistro),
    runtime: checked('--runtime', flags.runtime, checkRuntime),
    mounts: flags.mount && flags.mount.length > 0 ? mountChanges(listWords(flags.mount), base) : undefined,
    // In a file '' is Colima's default; a flag without a value is a mistake.
    mountType: checked('--mount-type', flags.mountType, (text) => checkMountType(text || undefined)),
    mountInotify: flags.mountInotify,
    accel: checked('--accel', flags.accel, checkAccel),
    cpuType: checked('--cpu-type', flags.cpuType, checkCpuType),
    autoActivate: flags.activate,
    hostname: checked('--hostname', flags.hostname, checkHostname),
    network: networkChanges(flags),
    kubernetes: kubernetesChanges(flags),
    forwardAgent: flags.sshAgent,
    sshPort: checked('--ssh-port', flags.sshPort, (text) => checkSshPort(number(text)), number),
    sshConfig: flags.sshConfig,
    rootDisk: checked('--root-disk', flags.rootDisk, (text) => checkRootDisk(number(text)), number),
    env: flags.env && textMap('--env', flags.env, checkEnvName),
    binfmt: flags.binfmt,
    param: flags.param && textMap('--param', flags.param, checkParamName),
    ociRuntime: checked('--oci-runtime', flags.ociRuntime, checkOciRuntime),
    rootless: flags.rootless,
    caCertificates:
      flags.caCertificate &&
      listWords(flags.caCertificate).map((text) => fileOfFlag('--ca-certificate', text, base)),
    mirror: flags.mirror === undefined ? undefined : mirrorChange(flags.mirror, base),
  })
}

/** Checks one flag; gives it in the form the file wants: what the check gave, unless `toFile` makes that from the text. */
function checked<T>(
  flag: string,
  text: string | undefined,
  check: (text: string) => Checked<T>,
  toFile?: (text: string) => T,
): T | undefined {
  if (text === undefined) return undefined
  const value = checkedFlag(flag, text, check)
  return toFile ? toFile(text) : value
}

function checkedFlag<T>(flag: string, text: string, check: (text: string) => Checked<T>): T {
  const result = check(text)
  if (!result.ok) throw new TcolimaError('usage', `${flag} ${result.problem}, not ${shown(text)}`)
  return result.value
}

function mountChanges(texts: readonly string[], base: PathBase): MountEntry[] | null {
  const mounts = texts.map((text) => parseMountFlag(text, base))
  const folders = mounts.filter((mount) => mount !== 'none')
  if (folders.length === 0) return null
  if (folders.length < mounts.length) {
    throw new TcolimaError('usage', '--mount none must stand alone: it turns all mounts off')
  }
  const clash = folders[clashingMount(folders)]
  if (clash) throw new TcolimaError('usage', `--mount: ${clash.mountPoint} is the target of two mounts`)
  return folders.map(asEntry)
}

function kubernetesChanges(flags: Partial<FlagValues>): ConfigChanges['kubernetes'] {
  const { kubernetes, kubernetesVersion, kubernetesPort, kubernetesJoin, k3sArg } = flags
  const port = (text: string) => checkKubernetesPort(plainNumber(text) ?? Number.NaN)
  const changes = withoutUndefined({
    enabled: kubernetes ?? (kubernetesJoin ? true : undefined),
    version: checked('--kubernetes-version', kubernetesVersion, parseK3sVersion),
    port: checked('--kubernetes-port', kubernetesPort, port),
    join:
      kubernetesJoin === undefined ? undefined : checkedFlag('--kubernetes-join', kubernetesJoin, checkJoin),
    k3sArgs: k3sArg && listArguments(k3sArg).map((text) => checkedFlag('--k3s-arg', text, checkK3sArg)),
  })
  return Object.keys(changes).length > 0 ? changes : undefined
}

function mirrorChange(text: string, base: PathBase): string {
  const isUrl = /^[a-z][a-z0-9+.-]+:/i.test(text)
  const plain = text === '' || isUrl ? text : fileOfFlag('--mirror', text, base)
  return checkedFlag('--mirror', plain, (each) => checkMirror(each, base.home))
}

/** A path as the shell knows it: a relative one begins in the current folder. */
function fileOfFlag(flag: string, text: string, { home, cwd }: PathBase): string {
  const file =
    absolutePath(text, home) ?? (cwd === undefined || text === '' ? undefined : path.resolve(cwd, text))
  if (file === undefined) throw new TcolimaError('usage', `${flag} takes a path, not ${shown(text)}`)
  return file
}

function networkChanges(flags: Partial<FlagValues>): ConfigChanges['network'] {
  const { dns, dnsHost } = flags
  if (dns === undefined && dnsHost === undefined) return undefined
  const servers = dns && listWords(dns).map((text) => checkedFlag('--dns', text, checkNameServer))
  return withoutUndefined({ dns: servers, dnsHosts: dnsHost && dnsHostChanges(dnsHost) })
}

function dnsHostChanges(texts: readonly string[]): Record<string, string> {
  const hosts: Record<string, string> = {}
  for (const text of listWords(texts)) {
    const at = text.indexOf('=')
    if (at < 0) throw new TcolimaError('usage', `--dns-host takes NAME=VALUE, not ${shown(text)}`)
    const name = checkedFlag('--dns-host: the name', text.slice(0, at), checkName)
    hosts[name] = checkedFlag(`--dns-host: ${name}`, text.slice(at + 1), checkNameTarget)
  }
  const circular = circularName(hosts)
  if (circular !== undefined) throw new TcolimaError('usage', `--dns-host: ${circular} stands for itself`)
  return hosts
}

function textMap(
  flag: string,
  texts: readonly string[],
  checkKey: (name: string) => Checked<string>,
): Record<string, string> {
  const map: Record<string, string> = {}
  // As in Colima, several in one word: `A=1,B=2`.
  for (const text of texts.flatMap((each) => each.split(/,(?=[A-Za-z_]\w*=)/))) {
    const at = text.indexOf('=')
    if (at < 0) throw new TcolimaError('usage', `${flag} takes NAME=VALUE, not ${shown(text)}`)
    const name = checkedFlag(`${flag}: the name`, text.slice(0, at), checkKey)
    map[name] = checkedFlag(`${flag}: ${name}`, text.slice(at + 1), checkEnvValue)
  }
  return map
}

function withoutUndefined<T extends object>(record: T): T {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)) as T
}
