import { bad, type Checked, good } from './checked.ts'

/** A processor architecture a guest can have. */
export type Arch = 'x86_64' | 'aarch64'

/** How the guest's processor is run: `auto` takes the best that works on this host. */
export type Accel = 'auto' | 'kvm' | 'hvf' | 'tcg'

/** How the guest gets at folders of the host; Colima's names. */
export type MountType = 'sshfs' | '9p' | 'virtiofs'

/** The program that starts containers for an engine; '': the engine's own choice. */
export type OciRuntime = '' | 'runc' | 'crun'

/** What Linux the guest is: a distribution and its release, named as Lima names its templates. */
export type Distro = 'debian-13' | 'debian-12'

/** What runs containers in the guest; `none`: nothing. */
export type Runtime = 'docker' | 'containerd' | 'podman' | 'none'

const archNames = new Map<unknown, Arch | 'host'>([
  ['host', 'host'],
  ['x86_64', 'x86_64'],
  ['amd64', 'x86_64'],
  ['aarch64', 'aarch64'],
  ['arm64', 'aarch64'],
])
const accels: readonly unknown[] = ['auto', 'kvm', 'hvf', 'tcg'] satisfies Accel[]
const distros: readonly unknown[] = ['debian-13', 'debian-12'] satisfies Distro[]
const mountTypes: readonly unknown[] = ['sshfs', '9p', 'virtiofs'] satisfies MountType[]
const runtimes: readonly unknown[] = ['docker', 'containerd', 'podman', 'none'] satisfies Runtime[]

/** Takes an architecture in the kernel's or in Docker's name for it, or `host`; gives the kernel's name or `host`. */
export function checkArch(value: unknown): Checked<Arch | 'host'> {
  const arch = archNames.get(value)
  return arch ? good(arch) : bad('must be host, x86_64 (amd64) or aarch64 (arm64)')
}

/** Takes the name of a distribution with its release. */
export function checkDistro(value: unknown): Checked<Distro> {
  return distros.includes(value) ? good(value as Distro) : bad('must be debian-13 or debian-12')
}

/** Takes the name of a container engine. Colima's `incus`, which runs whole systems, is told apart from a typing mistake. */
export function checkRuntime(value: unknown): Checked<Runtime> {
  if (runtimes.includes(value)) return good(value as Runtime)
  const names = 'must be docker, containerd, podman or none'
  return bad(value === 'incus' ? `${names}: this version does not offer Incus` : names)
}

/** Takes the name of the program that starts containers; '' leaves it to the engine. */
export function checkOciRuntime(value: unknown): Checked<OciRuntime> {
  return value === '' || value === 'runc' || value === 'crun' ? good(value) : bad('must be runc or crun')
}

/** Takes the name of an accelerator. */
export function checkAccel(value: unknown): Checked<Accel> {
  return accels.includes(value) ? good(value as Accel) : bad('must be auto, kvm, hvf or tcg')
}

/** Takes the name of a mount type; '', which Colima knows as "the default", becomes `sshfs`. */
export function checkMountType(value: unknown): Checked<MountType> {
  if (value === '') return good('sshfs')
  return mountTypes.includes(value) ? good(value as MountType) : bad('must be sshfs, 9p or virtiofs')
}

/**
 * Takes QEMU's name of a processor, with features where wanted (`qemu64,+ssse3`); gives it.
 * `host`, which Colima writes into every file, becomes '' (the best the accelerator offers): that is what it means to
 * Colima's users, and QEMU refuses the word itself without hardware acceleration.
 */
export function checkCpuType(value: unknown): Checked<string> {
  if (value === 'host') return good('')
  if (typeof value === 'string' && /^[\w.,+=:-]*$/.test(value)) return good(value)
  return bad('must be a processor name of QEMU, such as max or qemu64,+ssse3')
}

/** Takes the name the guest gives itself; '' leaves it to the profile. Letters, digits, `-` and `.`, at most 63 characters. */
export function checkHostname(value: unknown): Checked<string> {
  const label = '[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?'
  const valid = new RegExp(`^(?:${label}(?:\\.${label})*)?$`)
  // Linux itself takes 64 characters; a DNS label ends at 63.
  if (typeof value === 'string' && value.length <= 63 && valid.test(value)) return good(value)
  return bad('must be a host name: letters, digits, "-" and ".", at most 63 characters')
}
