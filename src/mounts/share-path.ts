import type { HostFiles } from './host-files.ts'
import { denied, failure, StatusError } from './status.ts'
import { Fx } from './protocol.ts'

/**
 * Takes a path as the client sent it (a byte string; the share is `/`); gives its names below the share. `..` stops at
 * the share, as in a chroot. Throws for a path with a NUL byte, which the file system would cut there.
 */
export function namesOf(path: string): string[] {
  if (path.includes('\0')) throw failure('NUL byte in a path')
  const names: string[] = []
  for (const name of path.split('/')) {
    if (name === '..') names.pop()
    else if (name !== '' && name !== '.') names.push(name)
  }
  return names
}

/** A byte string as the file system takes it: Node would encode a string as UTF-8. */
export function bytesOf(path: string): Buffer {
  return Buffer.from(path, 'latin1')
}

/**
 * Turns the client's paths into paths of the host that lie in the share, or throws. The rule: the real path of the
 * parent folder must be the share's root or below it, and the last name is never followed. What is done with the
 * result must be done before any client can change names again (see `FifoLock`): Node has no `openat`.
 */
export class SharePaths {
  private readonly given: string
  private readonly files: HostFiles
  private root: Promise<string> | undefined

  /** Takes the share's folder on the host, as text. Its real path is found once, by the first that succeeds. */
  constructor(root: string, files: HostFiles) {
    this.files = files
    this.given = Buffer.from(root, 'utf8').toString('latin1')
    // Now, not at the first request: a root that becomes a link later must not count.
    this.realRoot().catch(() => {})
  }

  /** The real path of the share's root, as a byte string. Rejects while there is no such folder. */
  realRoot(): Promise<string> {
    this.root ??= this.findRoot()
    return this.root
  }

  /** The place on the host for a path whose last name is not followed; the share's root for `/`. */
  async place(path: string): Promise<string> {
    const names = namesOf(path)
    const last = names.pop()
    const parent = await this.inside(names)
    return last === undefined ? parent : join(parent, last)
  }

  /** As `place`, for requests that make, replace or remove a name: the share's root itself is refused. */
  async entry(path: string): Promise<string> {
    if (namesOf(path).length === 0) throw denied('the share itself')
    return this.place(path)
  }

  /** The place on the host of a path with all links followed. */
  followed(path: string): Promise<string> {
    return this.inside(namesOf(path))
  }

  /**
   * The client's form of a path, for SSH_FXP_REALPATH: absolute, links resolved. A last name that does not exist
   * stays as it is, as with OpenSSH.
   */
  async canonical(path: string): Promise<string> {
    const names = namesOf(path)
    const place = await this.inside(names).catch(async (error: unknown) => {
      if (error instanceof StatusError) throw error
      return this.place(path)
    })
    const root = await this.realRoot()
    if (place === root) return '/'
    return place.slice(root === '/' ? 0 : root.length)
  }

  /** Whether a folder found before is still at that place, with no link on the way. */
  async unmoved(place: string): Promise<boolean> {
    return (await this.realPath(place)) === place
  }

  private async findRoot(): Promise<string> {
    try {
      const root = await this.realPath(this.given)
      this.files.setRoot(root)
      return root
    } catch (error) {
      this.root = undefined
      throw error
    }
  }

  private async inside(names: string[]): Promise<string> {
    const root = await this.realRoot()
    const place = await this.realPath(names.length === 0 ? root : join(root, names.join('/')))
    const below = root === '/' || place === root || place.startsWith(`${root}/`)
    if (!below) throw new StatusError(Fx.PERMISSION_DENIED, 'outside of the share')
    return place
  }

  private async realPath(path: string): Promise<string> {
    return (await this.files.realpath(bytesOf(path))).toString('latin1')
  }
}

/** Puts a name, or several, behind a folder. */
export function join(folder: string, name: string): string {
  return folder === '/' ? `/${name}` : `${folder}/${name}`
}
