import { atLeast, type Check, ok } from './check.ts'
import { messageOf } from './errors.ts'
import { fixFor, packageFacts } from './ensure-packages.ts'
import { checkDocker, checkDockerPlugins, checkQemu } from './doctor-programs.ts'
import { checkUserNamespaces } from './doctor-namespaces.ts'
import { checkVirtualisation } from './doctor-virtualisation.ts'
import { type MissingProgram, missingPackages } from './packages.ts'
import type { Host } from './platform.ts'
import { socketPath } from './sockets.ts'
import { type HostSystem, hostSystem } from './system.ts'

export type { Check } from './check.ts'

/** What to look at. */
export interface DoctorInput {
  host: Host
  /** TCOLIMA_HOME, where images and disks lie. */
  home: string
  /** The processor of the guest; the host's unless told. */
  guestArch?: Host['arch']
  /** Whether the runtime is one the `docker` program talks to; true unless told. */
  docker?: boolean
  /** Whether an instance mounts its folders with virtiofs; false unless told. */
  virtiofs?: boolean
  /** Long paths of the sockets the instances have or would have. */
  sockets?: { dir: string; name: string }[]
  /** What the caller found left over from instances: this layer does not know them. */
  leftovers?: Check[]
  /** Version of Node.js, without the `v`; the running one unless told. */
  nodeVersion?: string
  signal?: AbortSignal | undefined
  system?: HostSystem
}

const gib = 1024 ** 3

/** Looks at everything tcolima needs of the host; gives one entry for each. Changes nothing. Throws only on abort. */
export async function checkHost(input: DoctorInput): Promise<Check[]> {
  const { host, home, guestArch = host.arch, signal, leftovers = [] } = input
  const system = input.system ?? hostSystem(host)
  const facts = packageFacts(input, system)
  const missing = missingPackages(facts)
  const found = (program: string) => {
    const absent = missing.find((each) => each.program === program)
    return absent
      ? absentProgram(absent, fixFor(absent, facts, system))
      : ok(program, whereIs(system, program))
  }
  const programs = ['qemu-img', 'tar', 'ssh', ...(host.platform === 'linux' ? ['mmdebstrap', 'mke2fs'] : [])]
  const qemu = `qemu-system-${guestArch}`
  const [virtualisation, qemuCheck, namespaces, space] = await Promise.all([
    checkVirtualisation(host, guestArch, system, signal),
    missing.some((each) => each.program === qemu)
      ? Promise.resolve(found(qemu))
      : checkQemu(qemu, system, signal),
    checkUserNamespaces(host, system, signal),
    checkSpace(home, system),
  ])
  return [
    ...checkPlatform(host, input.nodeVersion ?? process.versions.node),
    virtualisation,
    qemuCheck,
    ...programs.map(found),
    ...(host.platform === 'linux' && host.uid !== 0 ? [found('newuidmap')] : []),
    ...namespaces,
    ...(input.virtiofs === true ? [found('virtiofsd')] : []),
    ...(input.docker === false ? [] : checkDocker(host, found('docker'))),
    ...(input.docker === false || missing.some(({ program }) => program === 'docker')
      ? []
      : checkDockerPlugins(host, system.exists)),
    space,
    ...(input.sockets ?? []).map(({ dir, name }) => checkSocket(dir, name, host)),
    ...leftovers,
  ]
}

function checkPlatform(host: Host, node: string): Check[] {
  return [
    ok('platform', `${host.platform} on ${host.arch}`),
    atLeast(node, [20, 19])
      ? ok('Node.js', node)
      : {
          name: 'Node.js',
          status: 'error',
          detail: `${node} is too old`,
          fix: 'install Node.js 20.19 or newer',
        },
  ]
}

function absentProgram(missing: MissingProgram, fix: string): Check {
  const { program, optional } = missing
  const detail =
    optional && missing.hint && missing.hint !== fix ? `not installed; ${missing.hint}` : 'not installed'
  return { name: program, status: optional ? 'warning' : 'error', detail, fix }
}

async function checkSpace(home: string, system: HostSystem): Promise<Check> {
  const name = 'disk space'
  let free: number
  try {
    free = await system.freeSpace(home)
  } catch (error) {
    const detail = `cannot tell for ${home}: ${messageOf(error)}`
    return { name, status: 'warning', detail, fix: `see that ${home} can be read` }
  }
  const detail = `${(free / gib).toFixed(1)} GiB free in ${home}`
  if (free >= 10 * gib) return ok(name, detail)
  const fix = 'free some space, or set TCOLIMA_HOME to a folder on a larger disk'
  return { name, status: free < 3 * gib ? 'error' : 'warning', detail, fix }
}

function checkSocket(dir: string, name: string, host: Host): Check {
  const label = `socket ${name}`
  try {
    const place = socketPath(dir, name, host.platform, host.uid)
    const note = place.link
      ? `${place.link} is too long for a socket: it lies at ${place.path}, with a link`
      : place.path
    return ok(label, note)
  } catch (error) {
    return {
      name: label,
      status: 'error',
      detail: messageOf(error),
      fix: 'set TCOLIMA_HOME to a shorter path',
    }
  }
}

function whereIs(system: HostSystem, program: string): string {
  return system.which(program) ?? program
}
