import { constants } from 'node:fs'
import { attrsOf, type FileAttrs } from './codec-attrs.ts'
import { attrsReply, statusReply } from './codec-replies.ts'
import { closeFd, truncateFd } from './fd.ts'
import { byFd, byPath, type ModeAccess, setMode } from './modes.ts'
import { openRegular } from './ops-files.ts'
import type { Owners } from './owners.ts'
import { Fx } from './protocol.ts'
import type { Share } from './share.ts'
import { bytesOf } from './share-path.ts'
import { failure, StatusError } from './status.ts'

/** SSH_FXP_LSTAT (draft section 6.8). */
export async function lstat(share: Share, request: { id: number; path: string }): Promise<Buffer> {
  return look(share, request.id, await share.paths.place(request.path))
}

/** SSH_FXP_STAT: links are followed as long as they stay in the share. */
export async function stat(share: Share, request: { id: number; path: string }): Promise<Buffer> {
  return look(share, request.id, await share.paths.followed(request.path))
}

/** SSH_FXP_FSTAT. */
export function fstat(share: Share, request: { id: number; handle: string }): Promise<Buffer> {
  return share.handles.withFile(request.handle, async (file) =>
    attrsReply(request.id, attrsOf(share.owners.asSeen(await share.paths.files.fstat(file.fd)))),
  )
}

/** SSH_FXP_SETSTAT (draft section 6.9); a link is changed itself, never what it points to. */
export async function setstat(
  share: Share,
  request: { id: number; path: string; attrs: FileAttrs },
): Promise<Buffer> {
  const { files } = share.paths
  const place = await share.paths.place(request.path)
  const path = bytesOf(place)
  await change(share.owners, request.attrs, {
    ...byPath(files, path),
    truncate: (size) => truncate(place, size),
    utimes: (atime, mtime) => files.lutimes(path, atime, mtime),
  })
  return statusReply(request.id, Fx.OK, '')
}

/** SSH_FXP_FSETSTAT. */
export function fsetstat(
  share: Share,
  request: { id: number; handle: string; attrs: FileAttrs },
): Promise<Buffer> {
  const { files } = share.paths
  return share.handles.withFile(request.handle, async ({ fd }) => {
    await change(share.owners, request.attrs, {
      ...byFd(files, fd),
      truncate: (size) => truncateFd(fd, size),
      utimes: (atime, mtime) => files.futimes(fd, atime, mtime),
    })
    return statusReply(request.id, Fx.OK, '')
  })
}

async function look(share: Share, id: number, place: string): Promise<Buffer> {
  const stats = await share.paths.files.lstat(bytesOf(place))
  if (stats.isDirectory()) share.observer?.knows(place)
  return attrsReply(id, attrsOf(share.owners.asSeen(stats)))
}

/** How to change one file. */
interface Access extends ModeAccess {
  truncate(size: number): Promise<void>
  utimes(atime: number, mtime: number): Promise<void>
}

/** Changes what is given. Owners never change on the host, whoever its user is. */
async function change(owners: Owners, attrs: FileAttrs, file: Access): Promise<void> {
  const { size, mode, atime, mtime, uid, gid } = attrs
  if (size !== undefined) await file.truncate(exactSize(size))
  if (mode !== undefined) {
    const stats = await file.look()
    // No system call that Node offers sets a mode without following a link, and Linux has no modes of links.
    if (stats.isSymbolicLink()) throw unsupported('mode of a link')
    await setMode(owners, file, stats, mode)
  }
  if (uid !== undefined && gid !== undefined) owners.setOwner(await file.look(), given(uid), given(gid))
  if (atime !== undefined && mtime !== undefined) {
    const before = owners.empty ? undefined : await file.look()
    await file.utimes(atime, mtime)
    if (before) owners.follow(before, await file.look())
  }
}

// By a descriptor: `truncate` itself would follow a link, and wait on a FIFO.
async function truncate(place: string, size: number): Promise<void> {
  const flags = constants.O_WRONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY
  const { fd } = await openRegular(place, flags)
  try {
    await truncateFd(fd, size)
  } finally {
    await closeFd(fd)
  }
}

/** 2^32 - 1 is `chown`'s "leave it". */
function given(id: number): number | undefined {
  return id === 0xffffffff ? undefined : id
}

function exactSize(size: number): number {
  if (!Number.isSafeInteger(size)) throw failure('size too large')
  return size
}

function unsupported(what: string): StatusError {
  return new StatusError(Fx.OP_UNSUPPORTED, what)
}
