import { messageOf, TcolimaError } from './errors.ts'
import { typedCommand } from './install-commands.ts'
import { type EnsureResult, Installer, type InstallOptions } from './installer.ts'
import { listsAge } from './package-lists.ts'
import {
  detectManager,
  type MissingProgram,
  missingPackages,
  names,
  type PackageFacts,
  type PackageManager,
} from './packages.ts'
import type { Host } from './platform.ts'
import { type HostSystem, hostSystem } from './system.ts'

/** What to make sure of, and how far to go for it. */
export interface EnsureOptions extends InstallOptions {
  host: Pick<Host, 'platform' | 'arch' | 'uid' | 'env'>
  /** The processor of the guest; the host's unless told. */
  guestArch?: Host['arch']
  /** Whether the runtime is one the `docker` program talks to; true unless told. */
  docker?: boolean
  /** Whether folders are to be mounted with virtiofs; false unless told. */
  virtiofs?: boolean
  /** Install without asking. */
  yes: boolean
  /** Asks a yes-or-no question. */
  ask: (question: string) => Promise<boolean>
  system?: HostSystem
}

/**
 * Sees to it that the programs tcolima needs are there. With nothing missing it only looks along PATH and spawns
 * nothing. Throws `host` with the command to type when something is missing and it may not install it, `failed` with
 * the package manager's last lines when that did not work, `cancelled` on abort.
 */
export async function ensurePackages(options: EnsureOptions): Promise<EnsureResult> {
  const system = options.system ?? hostSystem(options.host)
  const facts = packageFacts(options, system)
  const missing = missingPackages(facts)
  const required = missing.filter((each) => !each.optional)
  const optional = missing.filter((each) => each.optional)
  const warnings = () => optional.map((each) => withCommand(each, facts, system))
  if (required.length === 0) {
    // Asking at every start for something a user once declined would be a nuisance.
    if (optional.length === 0 || !options.yes) return { installed: [], warnings: warnings() }
    return await tryOptional(options, system, facts, optional).catch((error: unknown) => {
      if (options.signal?.aborted) throw error
      return { installed: [], warnings: [...warnings(), messageOf(error)] }
    })
  }
  const { manager, root } = facts
  const outOfReach = required.filter((each) => each.choices.length === 0)
  if (manager === undefined || outOfReach.length > 0) throw unknownPackages(outOfReach, facts)
  const packages = unique(required.flatMap((each) => each.choices[0] ?? []))
  const typed = typedCommand(manager, packages, { root, update: listsAge(manager, system) !== 'fresh' })
  if (!(await allowed(options, required, manager, packages))) {
    throw new TcolimaError('host', `missing on this machine: ${names(required)}`, {
      hint: `Install with: ${typed}`,
    })
  }
  if (!canBecomeRoot(facts)) {
    const asRoot = typedCommand(manager, packages, {
      root: true,
      update: listsAge(manager, system) !== 'fresh',
    })
    throw new TcolimaError('host', `missing on this machine: ${names(required)}`, {
      hint: `There is no sudo here; have root run: ${asRoot}`,
    })
  }
  return await new Installer(options, system, facts, manager).install(packages, required, optional)
}

async function tryOptional(
  options: EnsureOptions,
  system: HostSystem,
  facts: PackageFacts,
  optional: MissingProgram[],
): Promise<EnsureResult> {
  const installable = optional.some((each) => each.choices.length > 0) && canBecomeRoot(facts)
  if (facts.manager === undefined || !installable) {
    return { installed: [], warnings: optional.map((each) => withCommand(each, facts, system)) }
  }
  return await new Installer(options, system, facts, facts.manager).install([], [], optional)
}

function canBecomeRoot(facts: PackageFacts): boolean {
  // Homebrew installs as the user.
  return facts.root || facts.manager === 'brew' || facts.which('sudo') !== undefined
}

/** The facts `missingPackages` takes, as the machine has them. */
export function packageFacts(
  options: Pick<EnsureOptions, 'host' | 'guestArch' | 'docker' | 'virtiofs'>,
  system: HostSystem,
): PackageFacts {
  const { host, guestArch = host.arch, docker = true, virtiofs = false } = options
  const osRelease = host.platform === 'linux' ? system.readFile('/etc/os-release') : undefined
  return {
    platform: host.platform,
    manager: detectManager(host.platform, osRelease, system.which),
    guestArch,
    root: host.uid === 0,
    docker,
    virtiofs,
    which: system.which,
    exists: system.exists,
  }
}

/** One line that installs a missing program, or says why none does; for `doctor` and warnings. */
export function fixFor(missing: MissingProgram, facts: PackageFacts, system: HostSystem): string {
  const [first] = missing.choices
  if (facts.manager === undefined || first === undefined) {
    return missing.hint ?? `install ${missing.program} with the package manager of this system`
  }
  const update = listsAge(facts.manager, system) !== 'fresh'
  // Offer a package that exists: only Debian 12 and older Ubuntu lack the client's own.
  const known =
    missing.choices.length > 1 && facts.manager === 'apt' && isOldDebian(system)
      ? missing.choices.at(-1)
      : first
  return typedCommand(facts.manager, known ?? first, { root: facts.root, update })
}

async function allowed(
  options: EnsureOptions,
  required: MissingProgram[],
  manager: PackageManager,
  packages: string[],
): Promise<boolean> {
  if (options.yes) return true
  if (!options.interactive) return false
  return await options.ask(
    `Missing on this machine: ${names(required)}. Install ${packages.join(', ')} with ${manager}?`,
  )
}

function unknownPackages(missing: MissingProgram[], facts: PackageFacts): TcolimaError {
  const brew = facts.platform === 'darwin' && facts.manager === undefined
  return new TcolimaError('host', `missing on this machine: ${names(missing)}`, {
    hint: brew
      ? 'Install Homebrew (https://brew.sh), then: brew install qemu docker'
      : 'Install them with the package manager of this system; tcolima knows apt, dnf, pacman and Homebrew.',
  })
}

function withCommand(missing: MissingProgram, facts: PackageFacts, system: HostSystem): string {
  const how =
    missing.choices.length > 0 && facts.manager ? ` (to install it: ${fixFor(missing, facts, system)})` : ''
  return `${missing.program} is not installed${how}: ${missing.hint ?? 'some commands will not work'}`
}

function isOldDebian(system: HostSystem): boolean {
  const text = system.readFile('/etc/os-release') ?? ''
  const id = /^ID="?(\w+)/m.exec(text)?.[1]
  const version = Number(/^VERSION_ID="?([\d.]+)/m.exec(text)?.[1] ?? Number.NaN)
  return (id === 'debian' && version < 13) || (id === 'ubuntu' && version < 24.04)
}

function unique(values: string[]): string[] {
  return [...new Set(values)]
}
