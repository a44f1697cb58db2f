import { constants, type Stats } from 'node:fs'
import { errnoOf } from '../host/errors.ts'
import { DATA_HEADER, dataReply, handleReply, statusReply, windowReply } from './codec-replies.ts'
import type { Request } from './codec-requests.ts'
import { chmodFd, closeFd, openFd, readFd, statFd, writeFd } from './fd.ts'
import type { FileHandle } from './handles.ts'
import { HostFiles } from './host-files.ts'
import { byFd, hostMode, settle } from './modes.ts'
import { MODE_BITS } from './owners.ts'
import { Fx, Fxf, MAX_READ } from './protocol.ts'
import type { Share } from './share.ts'
import { bytesOf } from './share-path.ts'
import { failure } from './status.ts'

// NOFOLLOW: a link as the last name would leave the share. NONBLOCK: opening a FIFO must not wait for its other end.
const READ_ONLY = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY

type Of<K extends Request['kind']> = Extract<Request, { kind: K }>

/** SSH_FXP_OPEN (draft section 6.3). Only regular files are opened. */
export async function open(share: Share, request: Of<'open'>): Promise<Buffer> {
  const flags = openFlags(request.pflags)
  const place = await share.paths.place(request.path)
  const { observer } = share
  const opening = async () => {
    const handle = await openOrCreate(share, place, flags, request.attrs.mode)
    if (!observer || !opensForChange(request.pflags)) return handle
    observer.opened(request.path)
    return { ...handle, onClose: () => observer.closed(request.path) }
  }
  const creates = (flags & constants.O_CREAT) !== 0
  const name = await share.handles.add(
    request,
    creates ? () => share.journal.change({ id: request.id }, opening) : opening,
  )
  return handleReply(request.id, name)
}

/** SSH_FXP_CLOSE. */
export async function close(share: Share, request: { id: number; handle: string }): Promise<Buffer> {
  await share.handles.close(request.handle)
  return statusReply(request.id, Fx.OK, '')
}

/** SSH_FXP_READ: straight from the file into the reply, or to where the request says. */
export function read(share: Share, request: Of<'read'>): Promise<Buffer> {
  const { into } = request
  if (into) return readInto(share, request, into)
  const length = Math.min(request.length, MAX_READ)
  return share.handles.withFile(request.handle, async (file) => {
    const reply = Buffer.allocUnsafe(DATA_HEADER + length)
    const count = await share.paths.files.read(file.fd, reply, DATA_HEADER, length, exact(request.offset))
    if (count === 0 && length > 0) return statusReply(request.id, Fx.EOF, '')
    share.counters.bytesRead += count
    // While a reply waits to be read by the client, it must not hold much more memory than it counts for.
    const fitting = count < length / 2 ? Buffer.from(reply.subarray(0, DATA_HEADER + count)) : reply
    return dataReply(request.id, fitting, count)
  })
}

function readInto(share: Share, request: Of<'read'>, into: Buffer): Promise<Buffer> {
  return share.handles.withFile(request.handle, async (file) => {
    const start = exact(request.offset)
    let length = 0
    for (let count = -1; count !== 0 && length < into.length; length += count)
      count = await readFd(file.fd, into, length, into.length - length, start + length)
    if (length === 0 && into.length > 0) return statusReply(request.id, Fx.EOF, '')
    share.counters.bytesRead += length
    return windowReply(request.id, length)
  })
}

/** SSH_FXP_WRITE: answered when all bytes are with the system. */
export function write(share: Share, request: Of<'write'>): Promise<Buffer> {
  return share.handles.withFile(request.handle, async (file) => {
    // Appending goes where the file ends now: the offset is the client's guess, and the host appends as well.
    if (file.append) {
      const change = { id: request.id, size: (await share.paths.files.fstat(file.fd)).size }
      await share.journal.change(change, () => writeFd(file.fd, request.data, null))
    } else {
      await share.paths.files.write(file.fd, request.data, exact(request.offset))
    }
    share.counters.bytesWritten += request.data.length
    return statusReply(request.id, Fx.OK, '')
  })
}

/** fsync@openssh.com. */
export function fsync(share: Share, request: { id: number; handle: string }): Promise<Buffer> {
  return share.handles.withFile(request.handle, async (file) => {
    await share.paths.files.sync(file.fd)
    return statusReply(request.id, Fx.OK, '')
  })
}

/** Whether flags of SSH_FXP_OPEN can change anything. */
export function opensForChange(pflags: number): boolean {
  return (pflags & (Fxf.WRITE | Fxf.APPEND | Fxf.CREAT | Fxf.TRUNC)) !== 0
}

/** Flags of `open` for the client's. Throws for a combination that means nothing. */
export function openFlags(pflags: number): number {
  const writes = (pflags & (Fxf.WRITE | Fxf.APPEND)) !== 0
  const reads = (pflags & Fxf.READ) !== 0
  if (!writes && !reads) throw failure('neither read nor write')
  if (!writes && (pflags & Fxf.TRUNC) !== 0) throw failure('truncating without writing')
  let flags = READ_ONLY
  if (writes) flags |= reads ? constants.O_RDWR : constants.O_WRONLY
  if (pflags & Fxf.APPEND) flags |= constants.O_APPEND
  if (pflags & Fxf.CREAT) flags |= constants.O_CREAT
  if (pflags & Fxf.TRUNC) flags |= constants.O_TRUNC
  // Without the other it means nothing.
  if (pflags & Fxf.CREAT && pflags & Fxf.EXCL) flags |= constants.O_EXCL
  return flags
}

/**
 * Opens a file that exists and gives it as a handle; anything but a regular file is closed again and refused. Goes
 * through the thread pool unless told by `files`.
 */
export async function openRegular(
  place: string,
  flags: number,
  files = new HostFiles(),
): Promise<FileHandle> {
  const fd = await openAllowed(files, bytesOf(place), flags)
  return asHandle(files, fd, place, flags, (stats) => {
    if (!stats.isFile()) throw failure('not a regular file')
  })
}

/** Opens a file, or makes it where the flags say so; only one that is made gets `mode`. */
async function openOrCreate(
  share: Share,
  place: string,
  flags: number,
  mode: number | undefined,
): Promise<FileHandle> {
  if (!(flags & constants.O_CREAT)) return openRegular(place, flags, share.paths.files)
  let fd: number
  try {
    fd = await share.paths.files.open(
      bytesOf(place),
      flags | constants.O_EXCL,
      hostMode(mode ?? 0o666, false),
    )
  } catch (error) {
    if (flags & constants.O_EXCL || errnoOf(error) !== 'EEXIST') throw error
    return openRegular(place, flags & ~constants.O_CREAT, share.paths.files)
  }
  return asHandle(share.paths.files, fd, place, flags, (stats) =>
    settle(share, place, byFd(share.paths.files, fd), stats, mode),
  )
}

async function asHandle(
  files: HostFiles,
  fd: number,
  place: string,
  flags: number,
  check: (stats: Stats) => Promise<void> | void,
): Promise<FileHandle> {
  try {
    const stats = await files.fstat(fd)
    await check(stats)
    const { dev, ino } = stats
    return { kind: 'file', fd, append: (flags & constants.O_APPEND) !== 0, place, flags, dev, ino }
  } catch (error) {
    await closeFd(fd)
    throw error
  }
}

/**
 * Opens a file with the rights that the guest's kernel would have given. It has checked them, and its root may write
 * what the host's user locked against writing: where that stops an ordinary user of the host, it is lifted for the call.
 */
async function openAllowed(files: HostFiles, path: Buffer, flags: number): Promise<number> {
  try {
    return await files.open(path, flags, 0)
  } catch (error) {
    const writes = (flags & (constants.O_WRONLY | constants.O_RDWR)) !== 0
    if (!writes || errnoOf(error) !== 'EACCES') throw error
    const fd = await openLocked(path, flags)
    if (fd === undefined) throw error
    return fd
  }
}

/** Opens a file of the host's user that nobody may write; gives undefined where that is not what stands in the way. */
async function openLocked(path: Buffer, flags: number): Promise<number | undefined> {
  // By a descriptor: a path could lead to another file by now.
  const guard = await openFd(path, READ_ONLY, 0)
  try {
    const stats = await statFd(guard)
    const mode = stats.mode & MODE_BITS
    const locked = stats.isFile() && stats.uid === process.geteuid?.() && (mode & 0o200) === 0
    if (!locked) return undefined
    await chmodFd(guard, mode | 0o200)
    try {
      return await openFd(path, flags, 0)
    } finally {
      await chmodFd(guard, mode)
    }
  } finally {
    await closeFd(guard)
  }
}

function exact(offset: number): number {
  if (!Number.isSafeInteger(offset)) throw failure('offset too large')
  return offset
}
