import { promises as fs, type Stats } from 'node:fs'
import { errnoOf } from '../host/errors.ts'
import { HostFiles } from './host-files.ts'
import { isWithin, leadsOut } from './links.ts'
import { denied, failure, StatusError } from './status.ts'

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

/** The client's path in its one clean form: absolute, `..` resolved, no `.` and no empty names. */
export function cleanPath(path: string): string {
  return `/${namesOf(path).join('/')}`
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
  /** For looks at the places given. */
  readonly files = new HostFiles()
  private readonly given: string
  private found = false

  /** Takes the share's folder on the host, as text: a real path. Where it is none (any more) nothing is served. */
  constructor(root: string) {
    this.given = Buffer.from(root, 'utf8').toString('latin1')
  }

  /** The real path of the share's root, as a byte string. Rejects while there is no such folder. */
  async realRoot(): Promise<string> {
    // Another session of the same guest may be able to put a link in its place, before this one looks.
    if (!this.found && (await realPath(this.given)) !== this.given) throw denied('not the folder shared')
    if (!this.found) this.files.setRoot(this.given)
    this.found = true
    return this.given
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
    if (this.files.isStraight(place)) return true
    return (await realPath(place)) === place
  }

  private async inside(names: string[]): Promise<string> {
    const root = await this.realRoot()
    const wanted = names.length === 0 ? root : join(root, names.join('/'))
    if (this.files.isStraight(wanted)) return wanted
    const found = await realPath(wanted).catch((error: unknown) => error)
    if (found === wanted) return wanted // no link on the way
    // Before any error is told: it would tell what there is outside.
    if (await leadsOut(root, wanted)) throw denied('outside of the share')
    if (typeof found !== 'string') throw found
    if (!isWithin(found, root)) throw denied('outside of the share')
    return found
  }
}

async function realPath(path: string): Promise<string> {
  return (await fs.realpath(bytesOf(path), { encoding: 'buffer' })).toString('latin1')
}

/** The folder that a place of the host lies in. */
export function folderOf(place: string): string {
  return place.slice(0, Math.max(1, place.lastIndexOf('/')))
}

/** The last name of a path. */
export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

/** Puts a name, or several, behind a folder. */
export function join(folder: string, name: string): string {
  return folder === '/' ? `/${name}` : `${folder}/${name}`
}

/** The attributes of what is at a path, a link not followed; undefined where nothing is. Throws other system errors. */
export async function lstatIfThere(files: HostFiles, path: Buffer): Promise<Stats | undefined> {
  try {
    return await files.lstat(path)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  }
}
