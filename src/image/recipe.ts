import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { ext4Script } from './ext4.ts'
import type { Distro } from '../config/choices.ts'
import { mmdebstrapArguments } from './mmdebstrap.ts'

/** Everything that decides what an image holds. */
export interface Recipe {
  /** Debian's release by code name. */
  suite: string
  arch: 'x86_64' | 'aarch64'
  packages: string[]
  /** Whose files go in beside those of every machine. */
  engine: string
  /** The files of ours that go in: path below `guest/` to content digest. */
  files: Record<string, string>
  /** Another Debian mirror than mmdebstrap's default, where the user named one. */
  mirror?: string | undefined
}

// What every machine needs, whatever engine runs in it.
const basePackages = [
  'systemd-sysv',
  'systemd',
  'udev',
  'dbus',
  'openssh-server',
  'sshfs',
  // init and cpio of the small initrd
  'busybox-static',
  'kmod',
  'xz-utils',
  'iproute2',
  'iptables',
  // mkfs and resize2fs for the data disk
  'e2fsprogs',
  'procps',
  'sudo',
  'ca-certificates',
  // What Kubernetes calls: networks of pods, their ports
  'conntrack',
  'ethtool',
  'ipset',
  'socat',
  // compile guest/…/sshfs-link and are taken away again (guest/customize.sh)
  'tcc',
  'libc6-dev',
]

/** `cloud`: Debian's kernel for virtual machines, a quarter of the modules. `general`: its others', which has 9p. */
export type Kernel = 'cloud' | 'general'

const kernelPackages = {
  cloud: { x86_64: 'linux-image-cloud-amd64', aarch64: 'linux-image-cloud-arm64' },
  general: { x86_64: 'linux-image-amd64', aarch64: 'linux-image-arm64' },
}

/** What a distribution has of its own. */
interface Distribution {
  title: string
  suite: string
  /** The package with programs of other processors. */
  emulators: string
  /** What an engine needs beside its packages. */
  engines: Partial<Record<string, string[]>>
}

const distributions: Record<Distro, Distribution> = {
  'debian-13': { title: 'Debian 13', suite: 'trixie', emulators: 'qemu-user-binfmt', engines: {} },
  'debian-12': {
    title: 'Debian 12',
    suite: 'bookworm',
    // Its qemu-user has no static programs, which are what runs in containers.
    emulators: 'qemu-user-static',
    // Its docker starts no container where the kernel has AppArmor and its parser is not there.
    engines: { docker: ['apparmor'] },
  },
}

/** What an image is made for. */
export interface RecipeInput {
  distro: Distro
  arch: Recipe['arch']
  /** The engine's name and its Debian packages. */
  engine: { name: string; packages: string[] }
  /** Our own files. */
  guestFolder: string
  mirror?: string | undefined
  kernel: Kernel
}

/** The recipe of the image for what it is made for. Throws when a file of ours cannot be read. */
export function recipeFor({ distro, arch, engine, guestFolder, mirror, kernel }: RecipeInput): Recipe {
  const { suite, emulators, engines } = distributions[distro]
  const ofEngine = [...engine.packages, ...(engines[engine.name] ?? [])]
  const packages = [kernelPackages[kernel][arch], ...basePackages, emulators, ...ofEngine].sort()
  const files = Object.fromEntries([
    ['customize.sh', digestOf(path.join(guestFolder, 'customize.sh'))],
    ...overlays(guestFolder, engine.name).flatMap((folder) => digestsBelow(guestFolder, folder)),
  ])
  return { suite, arch, packages, engine: engine.name, files, mirror }
}

/** What a distribution is called. */
export function distributionTitle(distro: Distro): string {
  return distributions[distro].title
}

/**
 * The name of an image: the digest of its recipe and of how it is built, 16 hexadecimal digits. The mirror does not
 * change what is in it.
 */
export function recipeDigest(recipe: Recipe): string {
  const { mirror: _mirror, ...content } = recipe
  const how = [
    mmdebstrapArguments(content, { overlay: '', customize: '', target: '', root: true }),
    ext4Script('', true),
  ]
  return createHash('sha256').update(JSON.stringify({ content, how })).digest('hex').slice(0, 16)
}

/** The folders whose content is laid over the guest's root folder, one after the other: every machine's, the engine's. */
export function overlays(guestFolder: string, engine: string): string[] {
  const own = path.join(guestFolder, 'engines', engine, 'rootfs')
  return [path.join(guestFolder, 'rootfs'), ...(existsSync(own) ? [own] : [])]
}

function digestsBelow(guestFolder: string, folder: string): [string, string][] {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()
  return names.flatMap((name): [string, string][] => {
    const file = path.join(folder, name)
    return statSync(file).isFile() ? [[path.relative(guestFolder, file), digestOf(file)]] : []
  })
}

function digestOf(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex')
}
