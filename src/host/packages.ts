import type { Host } from './platform.ts'

/** The package managers tcolima knows how to ask. */
export type PackageManager = 'apt' | 'dnf' | 'pacman' | 'brew'

/** What decides which programs are needed and which are there. */
export interface PackageFacts {
  platform: Host['platform']
  /** Undefined on a distribution whose package manager is not known. */
  manager: PackageManager | undefined
  guestArch: Host['arch']
  /** Whether this process is root, which needs no help with user namespaces. */
  root: boolean
  /** Whether the runtime is one the `docker` program talks to. */
  docker: boolean
  /** Whether folders are to be mounted with virtiofs. */
  virtiofs: boolean
  which: (program: string) => string | undefined
  exists: (file: string) => boolean
}

/** A program that is not there, and what brings it. */
export interface MissingProgram {
  program: string
  /** Packages that bring it, all of one choice together; the first choice the package manager knows is enough. */
  choices: string[][]
  /** tcolima works without it. */
  optional: boolean
  /** What to do when no package brings it. */
  hint?: string
}

interface Need {
  program: string
  /** Files of which one has to be there as well. */
  files?: string[]
  packages: Partial<Record<PackageManager, string[][]>>
  optional?: boolean
  hint?: string
}

/** Takes what is known about the machine; gives the programs tcolima needs and does not find. Spawns nothing. */
export function missingPackages(facts: PackageFacts): MissingProgram[] {
  return needs(facts)
    .filter((need) => facts.which(need.program) === undefined || need.files?.some(facts.exists) === false)
    .map(({ program, packages, optional, hint }) => {
      const choices = (facts.manager && packages[facts.manager]) ?? []
      return { program, choices, optional: optional ?? false, ...(hint === undefined ? {} : { hint }) }
    })
}

/** The programs' names, for a message. */
export function names(missing: MissingProgram[]): string {
  return missing.map((each) => each.program).join(', ')
}

/** Which package manager the machine has. `osRelease` is the text of /etc/os-release; absent on macOS. */
export function detectManager(
  platform: Host['platform'],
  osRelease: string | undefined,
  which: (program: string) => string | undefined,
): PackageManager | undefined {
  if (platform === 'darwin') return which('brew') === undefined ? undefined : 'brew'
  const ids = osReleaseIds(osRelease ?? '')
  // The distribution's own first: mmdebstrap brings apt-get to Fedora and Arch.
  const byName = managers.find(({ family }) => family.some((name) => ids.includes(name)))
  const known = byName ?? managers.find(({ program }) => which(program) !== undefined)
  return known && which(known.program) !== undefined ? known.manager : undefined
}

const managers: { manager: PackageManager; program: string; family: string[] }[] = [
  { manager: 'apt', program: 'apt-get', family: ['debian', 'ubuntu'] },
  { manager: 'dnf', program: 'dnf', family: ['fedora', 'rhel', 'centos'] },
  { manager: 'pacman', program: 'pacman', family: ['arch'] },
]

function osReleaseIds(text: string): string[] {
  const values = [...text.matchAll(/^ID(?:_LIKE)?=(.*)$/gm)].map(([, value = '']) => value)
  return values.flatMap((value) => value.replaceAll(/["']/g, '').split(' '))
}

function needs(facts: PackageFacts): Need[] {
  const linux = facts.platform === 'linux'
  return [
    facts.guestArch === 'x86_64' ? qemuX86 : qemuArm,
    {
      program: 'qemu-img',
      packages: { apt: [['qemu-utils']], dnf: [['qemu-img']], pacman: [['qemu-img']], brew: [['qemu']] },
    },
    // macOS has both; Homebrew would only bring others in their place.
    ...all('tar', { apt: 'tar', dnf: 'tar', pacman: 'tar' }),
    ...all('ssh', { apt: 'openssh-client', dnf: 'openssh-clients', pacman: 'openssh' }),
    ...(linux ? imageBuilding(facts) : []),
    ...(facts.docker ? [dockerClient] : []),
    ...(facts.virtiofs ? [virtiofsd] : []),
  ]
}

const qemuX86: Need = {
  program: 'qemu-system-x86_64',
  packages: {
    apt: [['qemu-system-x86']],
    dnf: [['qemu-system-x86-core']],
    pacman: [['qemu-system-x86']],
    brew: [['qemu']],
  },
}

const qemuArm: Need = {
  program: 'qemu-system-aarch64',
  packages: {
    // Debian only recommends the network card's boot ROM and the firmware here; QEMU does not start without the ROM.
    apt: [['qemu-system-arm', 'ipxe-qemu', 'qemu-efi-aarch64']],
    dnf: [['qemu-system-aarch64-core', 'edk2-aarch64']],
    pacman: [['qemu-system-aarch64', 'edk2-aarch64']],
    brew: [['qemu']],
  },
}

/** What building the guest's image takes; macOS downloads one. */
function imageBuilding(facts: PackageFacts): Need[] {
  return [
    {
      program: 'mmdebstrap',
      // Ubuntu does not have the keys of Debian, whose packages the image is made of. gpg finds the key for mmdebstrap.
      ...(facts.manager === 'apt' ? { files: debianKeys } : {}),
      packages: { apt: [['mmdebstrap', 'debian-archive-keyring', 'gpg']], dnf: [['mmdebstrap']] },
      // Without it, the image is downloaded as on macOS.
      optional: facts.manager !== 'apt' && facts.manager !== 'dnf',
      hint:
        facts.manager === 'pacman'
          ? 'mmdebstrap is in the AUR (for example: yay -S mmdebstrap); without it the guest image is downloaded'
          : 'without mmdebstrap the guest image is downloaded',
    },
    ...all('mke2fs', { apt: 'e2fsprogs', dnf: 'e2fsprogs', pacman: 'e2fsprogs' }),
    ...(facts.root ? [] : all('newuidmap', { apt: 'uidmap', dnf: 'shadow-utils', pacman: 'shadow' })),
  ]
}

const debianKeys = ['gpg', 'pgp'].map((ext) => `/usr/share/keyrings/debian-archive-keyring.${ext}`)

const dockerClient: Need = {
  program: 'docker',
  optional: true,
  packages: {
    // Debian 12 has no package with the client alone.
    apt: [['docker-cli'], ['docker.io']],
    dnf: [['docker-cli'], ['moby-cli']],
    pacman: [['docker']],
    brew: [['docker']],
  },
  hint: 'without the docker program, point any other Docker client at the instance with DOCKER_HOST=unix://<its docker.sock>',
}

const virtiofsd: Need = {
  program: 'virtiofsd',
  packages: {
    // Debian 12 and Ubuntu 22.04 have QEMU's former one, in a package of QEMU.
    apt: [['virtiofsd'], ['qemu-system-common']],
    dnf: [['virtiofsd']],
    pacman: [['virtiofsd']],
  },
}

function all(program: string, packages: Partial<Record<PackageManager, string>>): Need[] {
  const choices = Object.entries(packages).map(([manager, name]) => [manager, [[name]]])
  return [{ program, packages: Object.fromEntries(choices) as Need['packages'] }]
}
