import { createHash, randomBytes } from 'node:crypto'
import { readlinkSync, statSync } from 'node:fs'
import { chmod, lstat, mkdir, rename, symlink, unlink } from 'node:fs/promises'
import path from 'node:path'
import { errnoOf, TcolimaError } from './errors.ts'

/** Where a socket lies. */
export interface SocketPath {
  /** The path to bind and to connect to: it fits into the system's socket address. */
  path: string
  /** The long path where users look for it; a symbolic link to `path`. Only when the two differ. */
  link?: string
}

// sizeof(sockaddr_un.sun_path), less the NUL that ends it.
const usableBytes = { darwin: 104 - 1, linux: 108 - 1 }

/** Whether a path fits into a socket address; paths count in bytes, not in characters. */
export function fitsSocket(file: string, platform: 'linux' | 'darwin'): boolean {
  return Buffer.byteLength(file) <= usableBytes[platform]
}

/**
 * Decides where the socket `name` of an instance folder lies: in the folder when the path fits, else in a short folder
 * of the user, `/tmp/tcolima-<uid>`, under a name no other folder gives. Not below `$XDG_RUNTIME_DIR`, which goes with the
 * user's last login session while a machine lives on. Pure: the same arguments, the same answer.
 */
export function socketPath(dir: string, name: string, platform: 'linux' | 'darwin', uid: number): SocketPath {
  const absolute = path.resolve(dir)
  const long = path.join(absolute, name)
  if (fitsSocket(long, platform)) return { path: long }
  const folder = shortSocketFolder(uid)
  // The name that says what it is, else (a very long name) one that only tells it apart.
  const names = [`${hash(absolute)}-${name}`, hash(`${absolute}\0${name}`)]
  for (const short of names) {
    const candidate = path.join(folder, short)
    if (fitsSocket(candidate, platform)) return { path: candidate, link: long }
  }
  throw new TcolimaError('host', `no short enough folder for the socket ${long}`) // A 20-digit uid would not do.
}

/** The folder of a user's sockets whose own path would be too long. */
export function shortSocketFolder(uid: number): string {
  return `/tmp/tcolima-${uid}`
}

/** Who makes a socket path, and where. */
export interface SocketOwner {
  platform: 'linux' | 'darwin'
  uid: number
}

/**
 * Decides like `socketPath` and makes what it needs: the short folder (only for this user) and the link at the long
 * path. The caller binds `path` afterwards. Throws `host` when someone else could reach the short folder.
 */
export async function prepareSocketPath(dir: string, name: string, owner: SocketOwner): Promise<SocketPath> {
  const result = socketPath(dir, name, owner.platform, owner.uid)
  if (result.link === undefined) return result
  await ensurePrivateDir(path.dirname(result.path), owner.uid)
  const temporary = `${result.link}.${randomBytes(4).toString('hex')}`
  await symlink(result.path, temporary)
  await rename(temporary, result.link)
  return result
}

/** Removes a socket, given by its long path, and the short one it leads to. Not there: nothing to do. */
export async function removeSocket(file: string, platform: 'linux' | 'darwin'): Promise<void> {
  const target = connectablePath(file, platform)
  for (const each of new Set([target, file])) {
    await unlink(each).catch((error: unknown) => {
      if (errnoOf(error) !== 'ENOENT') throw error
    })
  }
}

/**
 * The path to connect to for a socket at `file`: itself when it fits, else where the link there leads.
 * Gives `file` when there is no such link. Synchronous.
 */
export function connectablePath(file: string, platform: 'linux' | 'darwin'): string {
  if (fitsSocket(file, platform)) return file
  try {
    return path.resolve(path.dirname(file), readlinkSync(file))
  } catch {
    return file
  }
}

/**
 * Whether a process listens on the socket at `file` (long or short path). One that does not answer within `limitMs`
 * counts as alive: its process is there, only busy.
 */
export async function isSocketAlive(file: string, limitMs = 1000): Promise<boolean> {
  const platform = process.platform === 'darwin' ? 'darwin' : 'linux'
  const target = connectablePath(file, platform)
  // Too long and no link: nothing can listen there. A plain file (ENOTSOCK on macOS only) needs no connection either.
  if (!fitsSocket(target, platform) || !isSocket(target)) return false
  const { connect } = await import('node:net')
  return await new Promise<boolean>((resolve) => {
    const socket = connect(target)
    const finish = (alive: boolean) => {
      clearTimeout(timer)
      socket.destroy()
      resolve(alive)
    }
    const timer = setTimeout(() => finish(true), limitMs)
    socket.once('connect', () => finish(true))
    // Others (EAGAIN: the queue is full; EACCES: not ours) say that something is there.
    socket.once('error', (error) => finish(!['ECONNREFUSED', 'ENOENT'].includes(errnoOf(error) ?? '')))
  })
}

/** Makes a folder only this user can enter, or checks that an existing one is such; throws `host` when it is not. */
export async function ensurePrivateDir(dir: string, uid: number): Promise<void> {
  await mkdir(dir, { mode: 0o700 }).catch((error: unknown) => {
    if (errnoOf(error) !== 'EEXIST') {
      throw new TcolimaError('host', `cannot create the folder ${dir}`, { cause: error })
    }
  })
  // Anyone can make a folder or a link of this name in /tmp beforehand.
  if (!(await isOwnFolder(dir, uid))) {
    throw new TcolimaError('host', `${dir} is not a folder that belongs to this user`, {
      hint: `Remove it, or have its owner remove it: rm -r ${dir}`,
    })
  }
  if (((await lstat(dir)).mode & 0o077) !== 0) await chmod(dir, 0o700)
}

async function isOwnFolder(dir: string, uid: number): Promise<boolean> {
  try {
    const info = await lstat(dir)
    return info.isDirectory() && info.uid === uid
  } catch {
    return false
  }
}

function isSocket(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false })?.isSocket() ?? false
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16)
}
