import { constants } from 'node:fs'
import { DATA_HEADER, dataReply, handleReply, statusReply } from './codec-replies.ts'
import type { Request } from './codec-requests.ts'
import { closeFd, readFd, syncFd, writeFd } from './fd.ts'
import type { FileHandle } from './handles.ts'
import { Fx, Fxf, MAX_READ } from './protocol.ts'
import type { Share } from './share.ts'
import { bytesOf } from './share-path.ts'
import { failure } from './status.ts'

type Of<K extends Request['kind']> = Extract<Request, { kind: K }>

/** SSH_FXP_OPEN (draft section 6.3). Only regular files are opened. */
export async function open(share: Share, request: Of<'open'>): Promise<Buffer> {
  const flags = openFlags(request.pflags)
  const path = bytesOf(await share.paths.place(request.path))
  // The process's umask applies too, as with OpenSSH; set-id bits are not for a guest to give.
  const mode = (request.attrs.mode ?? 0o666) & 0o777
  const name = await share.handles.add(() => openRegular(share, path, flags, mode))
  return handleReply(request.id, name)
}

/** SSH_FXP_CLOSE. */
export async function close(share: Share, request: { id: number; handle: string }): Promise<Buffer> {
  await share.handles.close(request.handle)
  return statusReply(request.id, Fx.OK, '')
}

/** SSH_FXP_READ: straight from the file into the reply. */
export function read(share: Share, request: Of<'read'>): Promise<Buffer> {
  const length = Math.min(request.length, MAX_READ)
  return share.handles.withFile(request.handle, async (file) => {
    const reply = Buffer.allocUnsafe(DATA_HEADER + length)
    const count = await readFd(file.fd, reply, DATA_HEADER, length, exact(request.offset))
    if (count === 0 && length > 0) return statusReply(request.id, Fx.EOF, '')
    share.counters.bytesRead += count
    return dataReply(request.id, reply, count)
  })
}

/** SSH_FXP_WRITE: answered when all bytes are with the system. */
export function write(share: Share, request: Of<'write'>): Promise<Buffer> {
  return share.handles.withFile(request.handle, async (file) => {
    // Appending goes where the file ends now: the offset is the client's guess, and the host appends as well.
    await writeFd(file.fd, request.data, file.append ? null : exact(request.offset))
    share.counters.bytesWritten += request.data.length
    return statusReply(request.id, Fx.OK, '')
  })
}

/** fsync@openssh.com. */
export function fsync(share: Share, request: { id: number; handle: string }): Promise<Buffer> {
  return share.handles.withFile(request.handle, async (file) => {
    await syncFd(file.fd)
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
  // NOFOLLOW: a link as the last name would leave the share. NONBLOCK: opening a FIFO must not wait for its other end.
  let flags = constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY
  flags |= writes ? (reads ? constants.O_RDWR : constants.O_WRONLY) : constants.O_RDONLY
  if (pflags & Fxf.APPEND) flags |= constants.O_APPEND
  if (pflags & Fxf.CREAT) flags |= constants.O_CREAT
  if (pflags & Fxf.TRUNC) flags |= constants.O_TRUNC
  if (pflags & Fxf.EXCL) flags |= constants.O_EXCL
  return flags
}

/** Opens a file and gives it as a handle; anything but a regular file is closed again and refused. */
export async function openRegular(
  share: Share,
  path: Buffer,
  flags: number,
  mode: number,
): Promise<FileHandle> {
  const fd = await share.files.open(path, flags, mode)
  try {
    const stats = await share.files.fstat(fd)
    if (!stats.isFile()) throw failure('not a regular file')
  } catch (error) {
    await closeFd(fd)
    throw error
  }
  return { kind: 'file', fd, append: (flags & constants.O_APPEND) !== 0 }
}

function exact(offset: number): number {
  if (!Number.isSafeInteger(offset)) throw failure('offset too large')
  return offset
}
