import type { Stats } from 'node:fs'
import type { FileAttrs } from './codec-attrs.ts'
import { nameReply, statusReply } from './codec-replies.ts'
import { errnoOf } from '../host/errors.ts'
import type { HostFiles } from './host-files.ts'
import { byPath, hostMode, settle } from './modes.ts'
import { Fx } from './protocol.ts'
import type { Share } from './share.ts'
import { bytesOf, lstatIfThere } from './share-path.ts'
import { denied, failure, StatusError } from './status.ts'

interface OnePath {
  id: number
  path: string
}
interface TwoPaths {
  id: number
  from: string
  to: string
}

/** SSH_FXP_REMOVE (draft section 6.5): files and links, not folders. */
export async function remove(share: Share, request: OnePath): Promise<Buffer> {
  const path = bytesOf(await share.paths.entry(request.path))
  const gone = await lastName(share, path)
  await share.journal.change({ id: request.id }, () => share.paths.files.unlink(path))
  if (gone) share.owners.forget(gone)
  return ok(request.id)
}

/** SSH_FXP_MKDIR (draft section 6.6). */
export async function mkdir(share: Share, request: OnePath & { attrs: FileAttrs }): Promise<Buffer> {
  const { mode } = request.attrs
  const { files } = share.paths
  const place = await share.paths.entry(request.path)
  const path = bytesOf(place)
  await share.journal.change({ id: request.id }, async () => {
    await files.mkdir(path, hostMode((mode ?? 0o777) & 0o1777, true))
    const made = await files.lstat(path)
    // A set-group-id bit it has from the folder it is in.
    const wanted = mode === undefined ? undefined : (mode & 0o1777) | (made.mode & 0o6000)
    await settle(share, place, byPath(files, path), made, wanted)
  })
  return ok(request.id)
}

/** SSH_FXP_RMDIR. */
export async function rmdir(share: Share, request: OnePath): Promise<Buffer> {
  const path = bytesOf(await share.paths.entry(request.path))
  const gone = await lastName(share, path)
  await share.journal.change({ id: request.id }, () => share.paths.files.rmdir(path))
  if (gone) share.owners.forget(gone)
  return ok(request.id)
}

/** SSH_FXP_RENAME (draft section 6.5): never replaces. */
export function rename(share: Share, request: TwoPaths): Promise<Buffer> {
  const { files } = share.paths
  return move(share, request, async (from, to) => {
    if ((await files.lstat(from)).isFile() && (await moveByLink(files, from, to))) return
    if (await lstatIfThere(files, to)) throw failure('the new name exists')
    await files.rename(from, to)
  })
}

/** posix-rename@openssh.com: replaces what is there, in one step. */
export function posixRename(share: Share, request: TwoPaths): Promise<Buffer> {
  const { files } = share.paths
  return move(share, request, async (from, to) => {
    const replaced = await lastName(share, to)
    await files.rename(from, to)
    // Unless both were one file, which is still there.
    if (replaced && (await files.lstat(to)).ino !== replaced.ino) share.owners.forget(replaced)
  })
}

// Handles of what is moved are told where it is then.
async function move(
  share: Share,
  request: TwoPaths,
  make: (from: Buffer, to: Buffer) => Promise<void>,
): Promise<Buffer> {
  const from = await share.paths.entry(request.from)
  const to = await share.paths.entry(request.to)
  const change = { id: request.id, move: [from, to] as [string, string] }
  await share.journal.change(change, () => make(bytesOf(from), bytesOf(to)))
  return ok(request.id)
}

/**
 * Where git keeps objects. It clones a repository of the same file system by hard links, and gives up when the new name has
 * another inode number than the file: FUSE numbers every name anew. Where it gets no links, it copies.
 */
const GIT_OBJECT = /\/objects\/(?:[0-9a-f]{2}|pack|info)\/[^/]+$/

/** hardlink@openssh.com. */
export async function hardlink(share: Share, request: TwoPaths): Promise<Buffer> {
  if (GIT_OBJECT.test(request.to)) throw new StatusError(Fx.OP_UNSUPPORTED, 'hard link to a git object')
  const { files } = share.paths
  const from = bytesOf(await share.paths.entry(request.from))
  const to = bytesOf(await share.paths.entry(request.to))
  // macOS links what a link points to, which may lie outside; Linux links the link.
  if (share.platform !== 'linux' && (await files.lstat(from)).isSymbolicLink())
    throw denied('hard link to a link')
  await share.journal.change({ id: request.id }, () => files.link(from, to))
  return ok(request.id)
}

/** SSH_FXP_SYMLINK, in OpenSSH's order of arguments. The target is only text: it may point anywhere. */
export async function symlink(share: Share, request: OnePath & { target: string }): Promise<Buffer> {
  if (request.target.includes('\0')) throw failure('NUL byte in a link')
  const place = await share.paths.entry(request.path)
  const path = bytesOf(place)
  const { files } = share.paths
  await share.journal.change({ id: request.id }, async () => {
    await files.symlink(bytesOf(request.target), path)
    if (!share.owners.empty)
      await settle(share, place, byPath(files, path), await files.lstat(path), undefined)
  })
  return ok(request.id)
}

/** SSH_FXP_READLINK (draft section 6.10): the text as it is. */
export async function readlink(share: Share, request: OnePath): Promise<Buffer> {
  const path = bytesOf(await share.paths.place(request.path))
  const target = (await share.paths.files.readlink(path)).toString('latin1')
  return nameReply(request.id, [{ name: target, longname: target, attrs: {} }])
}

/** SSH_FXP_REALPATH (draft section 6.11): the client's form of the path. */
export async function realpath(share: Share, request: OnePath): Promise<Buffer> {
  const name = await share.paths.canonical(request.path)
  return nameReply(request.id, [{ name, longname: name, attrs: {} }])
}

// `link` refuses an existing name in the same step; `lstat` and `rename` leave the host a moment to make one.
async function moveByLink(files: HostFiles, from: Buffer, to: Buffer): Promise<boolean> {
  try {
    await files.link(from, to)
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === 'EEXIST' || errno === 'ENOENT') throw error
    return false // a file system without hard links
  }
  await files.unlink(from)
  return true
}

/** What is at a path, if nothing is left of it when that name goes; not looked for where nothing is kept. */
async function lastName(share: Share, path: Buffer): Promise<Stats | undefined> {
  const stats = share.owners.empty ? undefined : await lstatIfThere(share.paths.files, path)
  return stats && (stats.isDirectory() || stats.nlink === 1) ? stats : undefined
}

function ok(id: number): Buffer {
  return statusReply(id, Fx.OK, '')
}
