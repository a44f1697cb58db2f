import { access, constants, stat } from 'node:fs/promises'
import { errnoOf, messageOf, TcolimaError } from '../host/errors.ts'
import { bad, type Checked, good, shown } from './checked.ts'
import { isSystemPath } from './guest-paths.ts'
import { absolutePath } from './paths.ts'

/** A host folder to mount, all settled: both paths absolute and normal. */
export interface MountSpec {
  /** The folder on the host. */
  location: string
  /** Where it appears in the guest. */
  mountPoint: string
  writable: boolean
}

/**
 * How many mounts of type sshfs get a serial port; further ones go over SSH. The device could have 29, but QEMU tells the
 * guest of them in 32 buffers and drops what finds none free: for each port its coming, then its name and that the host
 * is there while the guest gives back one. Those of 14 and of the link fit; of 30, all but one would be dead.
 */
export const mountPorts = 14

/** The most mounts of the other types. */
export const mostMountDevices = 29

/** A mount as the file has it: `location` may begin with `~`, `mountPoint` defaults to it, `writable` to false. */
export interface MountEntry {
  location: string
  mountPoint?: string | null | undefined
  writable?: boolean | null | undefined
}

/** Where relative and `~` paths of a flag begin. `cwd` is undefined when the current folder no longer exists. */
export interface PathBase {
  home: string
  cwd: string | undefined
}

/**
 * Takes the value of one `--mount`: `none`, or `DIR[:TARGET][:w|:rw|:ro]`, read-only unless it says otherwise, as in
 * Colima. A relative DIR begins at `base.cwd`. Throws `usage` with what is wrong.
 */
export function parseMountFlag(text: string, base: PathBase): MountSpec | 'none' {
  return text === 'none' ? 'none' : parseMount(text, base, '--mount')
}

/** Takes the value of `--mount` that names a folder; `what` is how messages call it. Throws like `parseMountFlag`. */
export function parseMount(text: string, base: PathBase, what: string): MountSpec {
  const parts = text.split(':')
  const writable = takeMode(parts)
  const [dir = '', target, ...rest] = parts
  if (rest.length > 0 || dir === '' || (target !== undefined && !target.startsWith('/'))) {
    throw usage(`${what} must have the form DIR[:TARGET][:w], TARGET an absolute path, not ${shown(text)}`)
  }
  const mount = resolveMount({ location: fromCwd(dir, base, what), mountPoint: target, writable }, base.home)
  if (mount.ok) return mount.value
  throw usage(`${what} ${shown(text)}: ${mount.problem}`)
}

/** Takes a mount as written and the user's home folder; gives it settled, or what is wrong with it. */
export function resolveMount(entry: MountEntry, home: string): Checked<MountSpec> {
  const location = absolutePath(entry.location, home)
  if (!location)
    return bad(`the folder must be an absolute path or begin with ~/, not ${shown(entry.location)}`)
  const mountPoint = absolutePath(entry.mountPoint ?? location, '')
  if (!mountPoint || entry.mountPoint?.startsWith('~')) {
    return bad(`the place in the guest must be an absolute path, not ${shown(entry.mountPoint)}`)
  }
  if (hasControlCharacter(location + mountPoint)) return bad('a path must have no control characters')
  if (isSystemPath(mountPoint)) {
    return bad(
      `nothing can be mounted at ${mountPoint}: the guest needs its own files there; choose another place in it`,
    )
  }
  return good({ location, mountPoint, writable: entry.writable ?? false })
}

/** A mount as the file has it, without what goes without saying. */
export function asEntry({ location, mountPoint, writable }: MountSpec): MountEntry {
  return mountPoint === location ? { location, writable } : { location, mountPoint, writable }
}

/** The index of the first mount that takes the place in the guest of an earlier one, or -1. */
export function clashingMount(mounts: readonly MountSpec[]): number {
  return mounts.findIndex((mount, i) =>
    mounts.slice(0, i).some((other) => other.mountPoint === mount.mountPoint),
  )
}

/** The mounts, those nearer to the root of the guest first: mounted later, they would hide what lies within them. */
export function outerFirst<T extends MountSpec>(mounts: readonly T[]): T[] {
  return mounts.toSorted((a, b) => depth(a) - depth(b))
}

/**
 * Looks whether every folder is there and can be read. `lines` says where a file names them, by their places in the
 * guest. Throws `config`, naming the first that is not, or for too many of a type.
 */
export async function checkMounts(
  mounts: readonly MountSpec[],
  type: 'sshfs' | '9p' | 'virtiofs' = 'sshfs',
  lines: ReadonlyMap<string, string> = new Map(),
): Promise<void> {
  if (mounts.length > mostMountDevices && type !== 'sshfs') {
    throw new TcolimaError(
      'config',
      `${mounts.length} folders are to be mounted, and with ${type} ${mostMountDevices} can be`,
      { hint: 'Mount a folder that holds several of them, or use --mount-type sshfs.' },
    )
  }
  for (const { location, mountPoint } of mounts) {
    try {
      await checkFolder(location)
    } catch (error) {
      const line = lines.get(mountPoint)
      if (line !== undefined && error instanceof TcolimaError) error.message = `${line}: ${error.message}`
      throw error
    }
  }
}

async function checkFolder(folder: string): Promise<void> {
  try {
    if (!(await stat(folder)).isDirectory()) {
      throw new TcolimaError('config', `cannot mount ${folder}: it is not a folder`)
    }
    await access(folder, constants.R_OK | constants.X_OK)
  } catch (error) {
    if (error instanceof TcolimaError) throw error
    const missing = errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR'
    throw new TcolimaError(
      'config',
      `cannot mount ${folder}: ${missing ? 'there is no such folder' : messageOf(error)}`,
      { hint: missing ? 'Create the folder, or take it out of the mounts.' : undefined, cause: error },
    )
  }
}

/** Takes the mode off the end of the parts, where there is one; says whether it makes the mount writable. */
function takeMode(parts: string[]): boolean {
  const last = parts.at(-1) ?? ''
  const isMode = parts.length > 1 && ['w', 'rw', 'ro'].includes(last)
  if (isMode) parts.pop()
  return isMode && last !== 'ro'
}

function fromCwd(dir: string, { cwd, home }: PathBase, what: string): string {
  if (absolutePath(dir, home) !== undefined || dir.startsWith('~')) return dir
  if (cwd !== undefined) return `${cwd}/${dir}`
  throw usage(`${what} ${shown(dir)}: the current folder no longer exists, so the path must be absolute`)
}

function depth({ mountPoint }: MountSpec): number {
  return mountPoint.split('/').length
}

function hasControlCharacter(text: string): boolean {
  return Buffer.from(text).some((byte) => byte < 0x20 || byte === 0x7f)
}

function usage(message: string): TcolimaError {
  return new TcolimaError('usage', message, {
    hint: 'Example: --mount ~/projects:w. Quote a path with a comma in it: --mount \'"/a,b"\'. For one with a colon, use `mounts` in tcolima.yaml.',
  })
}
