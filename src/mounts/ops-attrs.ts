import { constants, promises as fs, type Stats } from 'node:fs'
import { attrsOf, type FileAttrs } from './codec-attrs.ts'
import { attrsReply, statusReply } from './codec-replies.ts'
import { chmodFd, chownFd, closeFd, statFd, timesFd, truncateFd } from './fd.ts'
import { openRegular } from './ops-files.ts'
import { Fx } from './protocol.ts'
import type { Share } from './share.ts'
import { bytesOf } from './share-path.ts'
import { failure, StatusError } from './status.ts'

/** SSH_FXP_LSTAT (draft section 6.8). */
export async function lstat(share: Share, request: { id: number; path: string }): Promise<Buffer> {
  return attrsReply(
    request.id,
    attrsOf(await share.files.lstat(bytesOf(await share.paths.place(request.path)))),
  )
}

/** SSH_FXP_STAT: links are followed as long as they stay in the share. */
export async function stat(share: Share, request: { id: number; path: string }): Promise<Buffer> {
  return attrsReply(
    request.id,
    attrsOf(await share.files.lstat(bytesOf(await share.paths.followed(request.path)))),
  )
}

/** SSH_FXP_FSTAT. */
export function fstat(share: Share, request: { id: number; handle: string }): Promise<Buffer> {
  return share.handles.withFile(request.handle, async (file) =>
    attrsReply(request.id, attrsOf(await share.files.fstat(file.fd))),
  )
}

/** SSH_FXP_SETSTAT (draft section 6.9), in OpenSSH's order; a link is changed itself, never what it points to. */
export async function setstat(
  share: Share,
  request: { id: number; path: string; attrs: FileAttrs },
): Promise<Buffer> {
  const { size, mode, atime, mtime, uid, gid } = request.attrs
  const path = bytesOf(await share.paths.place(request.path))
  const before = await share.files.lstat(path)
  if (size !== undefined) await truncate(share, path, size)
  // No system call that Node offers sets a mode without following a link, and Linux has no modes of links.
  if (mode !== undefined && before.isSymbolicLink()) throw unsupported('mode of a link')
  if (mode !== undefined) await fs.chmod(path, allowedMode(mode, before))
  if (atime !== undefined && mtime !== undefined) await fs.lutimes(path, atime, mtime)
  if (uid !== undefined && gid !== undefined) await fs.lchown(path, ownerId(uid), ownerId(gid))
  return statusReply(request.id, Fx.OK, '')
}

/** SSH_FXP_FSETSTAT. */
export function fsetstat(
  share: Share,
  request: { id: number; handle: string; attrs: FileAttrs },
): Promise<Buffer> {
  const { size, mode, atime, mtime, uid, gid } = request.attrs
  return share.handles.withFile(request.handle, async ({ fd }) => {
    if (size !== undefined) await truncateFd(fd, exactSize(size))
    if (mode !== undefined) await chmodFd(fd, allowedMode(mode, await statFd(fd)))
    if (atime !== undefined && mtime !== undefined) await timesFd(fd, atime, mtime)
    if (uid !== undefined && gid !== undefined) await chownFd(fd, ownerId(uid), ownerId(gid))
    return statusReply(request.id, Fx.OK, '')
  })
}

// By a descriptor: `truncate` itself would follow a link, and wait on a FIFO.
async function truncate(share: Share, path: Buffer, size: number): Promise<void> {
  const flags = constants.O_WRONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY
  const { fd } = await openRegular(share, path, flags, 0)
  try {
    await truncateFd(fd, exactSize(size))
  } finally {
    await closeFd(fd)
  }
}

/**
 * The mode a file gets. The set-id bits of files are dropped: a guest could make a program that gives every user of
 * the host the rights of the share's owner, and in the guest they mean nothing (FUSE mounts are nosuid).
 */
function allowedMode(mode: number, stats: Stats): number {
  return mode & (stats.isDirectory() ? 0o7777 : 0o1777)
}

/** 2^32 - 1 is `chown`'s "leave it". */
function ownerId(id: number): number {
  return id === 0xffffffff ? -1 : id
}

function exactSize(size: number): number {
  if (!Number.isSafeInteger(size)) throw failure('size too large')
  return size
}

function unsupported(what: string): StatusError {
  return new StatusError(Fx.OP_UNSUPPORTED, what)
}
