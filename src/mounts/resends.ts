import { constants } from 'node:fs'
import { errnoOf } from '../host/errors.ts'
import { handleReply, nameReply, statusReply } from './codec-replies.ts'
import type { Request } from './codec-requests.ts'
import { closeFd, readFd, statFd, truncateFd, writeFd } from './fd.ts'
import type { FileHandle } from './handles.ts'
import { entriesOf } from './ops-dirs.ts'
import { openFlags, openRegular } from './ops-files.ts'
import { Fx, Fxf } from './protocol.ts'
import type { Share } from './share.ts'
import { failure } from './status.ts'

type Open = Extract<Request, { kind: 'open' }>
type Write = Extract<Request, { kind: 'write' }>
interface Opening {
  id: number
  path: string
}

/**
 * Does a request that a server before this one may have done already, and gives the reply the client would have had
 * from that one. READ, WRITE at an offset and all that only looks or sets are done again: the requests behind them in
 * the client's order come again too.
 */
export async function answerResend(
  share: Share,
  request: Request,
  perform: () => Promise<Buffer>,
): Promise<Buffer> {
  switch (request.kind) {
    case 'open':
      return (await sameFile(share, request)) ?? (await openMade(share, request)) ?? perform()
    case 'opendir': {
      const name = handleOf(share, request)
      return name === undefined ? perform() : handleReply(request.id, name)
    }
    case 'readdir':
      return (await sameNames(share, request)) ?? perform()
    case 'write':
      return (await appended(share, request)) ?? perform()
    case 'unsupported':
      // An earlier server may have had what this one has not.
      return share.journal.state.done.has(request.id) ? statusReply(request.id, Fx.OK, '') : perform()
    case 'close':
      return share.handles.has(request.handle) ? perform() : statusReply(request.id, Fx.OK, '')
    case 'remove':
    case 'rmdir':
    case 'rename':
    case 'posix-rename':
      return unlessMade(share, request, 'ENOENT', perform)
    case 'mkdir':
    case 'symlink':
    case 'hardlink':
      return unlessMade(share, request, 'EEXIST', perform)
    default:
      return perform()
  }
}

/**
 * A change that was made is not made again. One that was begun and not ended by the kill is made again; `errno` then
 * tells that it had been made.
 */
async function unlessMade(
  share: Share,
  request: Request,
  errno: string,
  perform: () => Promise<Buffer>,
): Promise<Buffer> {
  const { done, pending } = share.journal.state
  const ok = statusReply(request.id, Fx.OK, '')
  if (done.has(request.id)) return ok
  if (pending?.id !== request.id) return perform()
  try {
    return await perform()
  } catch (error) {
    if (errnoOf(error) !== errno) throw error
    share.journal.made(request.id)
    return ok
  }
}

/** The name of the handle that this very request opened. */
function handleOf(share: Share, request: Opening): string | undefined {
  for (const [name, { id, path }] of share.journal.state.handles)
    if (id === request.id && path === request.path && share.handles.has(name)) return name
  return undefined
}

async function sameFile(share: Share, request: Open): Promise<Buffer | undefined> {
  const name = handleOf(share, request)
  if (name === undefined) return undefined
  // WRITEs before it that came again belong to the content it cut off.
  if ((request.pflags & Fxf.TRUNC) !== 0) await share.handles.withFile(name, (file) => truncateFd(file.fd, 0))
  return handleReply(request.id, name)
}

/** A file that this request made, or may have made, and whose handle no journal knows: it is empty still. */
async function openMade(share: Share, request: Open): Promise<Buffer | undefined> {
  const { done, pending } = share.journal.state
  if (!done.has(request.id) && pending?.id !== request.id) return undefined
  const flags = openFlags(request.pflags) & ~(constants.O_CREAT | constants.O_EXCL)
  const place = await share.paths.place(request.path)
  try {
    const name = await share.handles.add(request, () => openRegular(place, flags))
    return handleReply(request.id, name)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  }
}

/** The names that this very request gave. */
async function sameNames(share: Share, request: { id: number; handle: string }): Promise<Buffer | undefined> {
  const names = share.journal.state.lists.get(request.handle)?.get(request.id)
  if (!names) return undefined
  return share.handles.withDir(request.handle, async ({ place }) => {
    const entries = await entriesOf(share, place, names)
    return entries.length > 0 ? nameReply(request.id, entries) : undefined
  })
}

/** For a WRITE that appends and was begun: whatever of its bytes is missing behind the file's old end is added. */
async function appended(share: Share, request: Write): Promise<Buffer | undefined> {
  const { done, pending } = share.journal.state
  const ok = statusReply(request.id, Fx.OK, '')
  if (done.has(request.id)) return ok
  const size = pending?.id === request.id ? pending.size : undefined
  if (size === undefined) return undefined
  return share.handles.withFile(request.handle, async (file) => {
    const added = await bytesFrom(file, size)
    if (!added.includes(request.data)) {
      // A kill can end a write in the middle.
      const begun = request.data.subarray(0, added.length).equals(added) ? added.length : 0
      await writeFd(file.fd, request.data.subarray(begun), null)
    }
    share.journal.made(request.id)
    return ok
  })
}

/** What an open file has from `start` on. Its own descriptor may be for writing only. */
async function bytesFrom(file: FileHandle, start: number): Promise<Buffer> {
  const length = Math.max(0, (await statFd(file.fd)).size - start)
  const bytes = Buffer.alloc(length)
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
  const reader = await openRegular(file.place, flags)
  try {
    if (reader.dev !== file.dev || reader.ino !== file.ino) throw failure('another file')
    return bytes.subarray(0, await readFd(reader.fd, bytes, 0, length, start))
  } finally {
    await closeFd(reader.fd)
  }
}
