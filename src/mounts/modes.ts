import type { Stats } from 'node:fs'
import type { HostFiles } from './host-files.ts'
import type { Owners } from './owners.ts'
import { MODE_BITS } from './owners.ts'
import type { Share } from './share.ts'
import { bytesOf, folderOf } from './share-path.ts'

/** How to look at one file and to set its mode on the host. */
export interface ModeAccess {
  look(): Promise<Stats>
  chmod(mode: number): Promise<void>
}

/** Access by a path, whose last name must be no link. */
export function byPath(files: HostFiles, path: Buffer): ModeAccess {
  return { look: () => files.lstat(path), chmod: (mode) => files.chmod(path, mode) }
}

/** Access by a descriptor. */
export function byFd(files: HostFiles, fd: number): ModeAccess {
  return { look: () => files.fstat(fd), chmod: (mode) => files.fchmod(fd, mode) }
}

/**
 * The permission bits a file of the host gets for the mode that a guest asks for. Files get no set-id bits, which
 * would let a guest make a program that gives every user of the host the rights of the share's owner, and no sticky
 * bit, which systems disagree about. The host's user can always get at the file: the server works with their rights,
 * and what the guest's users may do is for its kernel to check.
 */
export function hostMode(mode: number, isFolder: boolean): number {
  return isFolder ? (mode & MODE_BITS) | 0o700 : (mode & 0o777) | 0o400
}

/** Sets a file's mode, given what it has on the host now; what the host does not hold of it is kept. */
export async function setMode(owners: Owners, file: ModeAccess, stats: Stats, wanted: number): Promise<void> {
  const mode = wanted & MODE_BITS
  const host = hostMode(mode, stats.isDirectory())
  let got = stats.mode & MODE_BITS
  if (got !== host) {
    await file.chmod(host)
    // Systems drop these without a word, the set-group-id bit for a group that the user is not in.
    got = (host & 0o7000) === 0 ? host : (await file.look()).mode & MODE_BITS
  }
  owners.setMode(stats, mode, got)
}

/**
 * Gives what was just made at `place` the mode it was asked for, which the process's umask may have cut (the guest's
 * kernel has applied the caller's own already), and the owner that its folder hands on.
 */
export async function settle(
  share: Share,
  place: string,
  file: ModeAccess,
  made: Stats,
  mode: number | undefined,
): Promise<void> {
  if (!share.owners.empty) share.owners.inherit(made, await share.paths.files.lstat(bytesOf(folderOf(place))))
  if (mode !== undefined) await setMode(share.owners, file, made, mode)
}
