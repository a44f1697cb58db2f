import type { Request } from './codec-requests.ts'
import { statusReply } from './codec-replies.ts'
import { tell } from './observe.ts'
import type { FifoLock } from './order.ts'
import * as attrs from './ops-attrs.ts'
import * as dirs from './ops-dirs.ts'
import * as files from './ops-files.ts'
import * as names from './ops-names.ts'
import * as statvfs from './ops-statvfs.ts'
import { Fx } from './protocol.ts'
import { answerResend } from './resends.ts'
import type { Share } from './share.ts'
import { denied, errorReply } from './status.ts'

/**
 * How a request stands to the others.
 * - `changes`: it can change what another request of the session sees, so it runs alone in the session.
 * - `names`: `resolves` looks up a path, `moves` can make a path lead elsewhere; none at all works on handles only.
 *   Among all sessions of a process, nothing moves while anything resolves.
 * - `loose`: its reply may overtake others: it tells nothing that another reply could contradict, and may take long.
 */
export interface Standing {
  changes: boolean
  names: 'resolves' | 'moves' | undefined
  loose: boolean
}

/** How a request stands to others. */
export function standingOf(request: Request): Standing {
  switch (request.kind) {
    case 'read':
    case 'fsync':
      return { changes: false, names: undefined, loose: true }
    case 'close':
    case 'fstat':
    case 'fstatvfs':
    case 'unsupported':
      // CLOSE waits for the requests on its handle by itself, see `HandleTable`.
      return { changes: false, names: undefined, loose: false }
    case 'write':
    case 'fsetstat':
      return { changes: true, names: undefined, loose: false }
    case 'open':
      return { changes: files.opensForChange(request.pflags), names: 'resolves', loose: false }
    case 'setstat':
      return { changes: true, names: 'resolves', loose: false }
    case 'lstat':
    case 'stat':
    case 'opendir':
    case 'readdir':
    case 'readlink':
    case 'realpath':
    case 'statvfs':
      return { changes: false, names: 'resolves', loose: false }
    case 'mkdir':
    case 'remove':
    case 'rmdir':
    case 'rename':
    case 'posix-rename':
    case 'hardlink':
    case 'symlink':
      return { changes: true, names: 'moves', loose: false }
  }
}

/**
 * Does a request and gives its reply. Never rejects: an error is a reply too. Takes the lock that sessions share;
 * `resend`: a server before this one may have done it.
 */
export async function answer(
  share: Share,
  request: Request,
  nameLock: FifoLock,
  resend: boolean,
): Promise<Buffer> {
  try {
    const { names } = standingOf(request)
    const once = () => perform(share, request)
    const work = resend ? () => answerResend(share, request, once) : once
    if (names === undefined) return await work()
    return await nameLock.run(names === 'resolves', work)
  } catch (error) {
    return errorReply(request.id, error)
  }
}

async function perform(share: Share, request: Request): Promise<Buffer> {
  const replayed = await share.replays?.answer(share, request)
  if (replayed !== undefined) return replayed
  if (standingOf(request).changes && !share.writable) throw denied('read-only share')
  const reply = await (request.kind === 'lstat' ? looked(share, request) : operate(share, request))
  if (share.observer) tell(share.observer, request)
  // A replay makes the client believe things that the host's files do not say.
  const begun = share.replays?.begun
  if (!share.hints || share.replays?.expecting) return reply
  const ahead = await share.hints.with(share, request, reply)
  return ahead && begun === share.replays?.begun ? Buffer.concat([ahead, reply]) : reply
}

/** That there is nothing is an answer too, to which hints belong. */
async function looked(share: Share, request: { id: number; path: string }): Promise<Buffer> {
  try {
    return await attrs.lstat(share, request)
  } catch (error) {
    return errorReply(request.id, error)
  }
}

async function operate(share: Share, request: Request): Promise<Buffer> {
  switch (request.kind) {
    case 'open':
      return files.open(share, request)
    case 'close':
      return files.close(share, request)
    case 'read':
      return files.read(share, request)
    case 'write':
      return files.write(share, request)
    case 'fsync':
      return files.fsync(share, request)
    case 'lstat':
      return attrs.lstat(share, request)
    case 'stat':
      return attrs.stat(share, request)
    case 'fstat':
      return attrs.fstat(share, request)
    case 'setstat':
      return attrs.setstat(share, request)
    case 'fsetstat':
      return attrs.fsetstat(share, request)
    case 'opendir':
      return dirs.opendir(share, request)
    case 'readdir':
      return dirs.readdir(share, request)
    case 'remove':
      return names.remove(share, request)
    case 'mkdir':
      return names.mkdir(share, request)
    case 'rmdir':
      return names.rmdir(share, request)
    case 'rename':
      return names.rename(share, request)
    case 'posix-rename':
      return names.posixRename(share, request)
    case 'hardlink':
      return names.hardlink(share, request)
    case 'symlink':
      return names.symlink(share, request)
    case 'readlink':
      return names.readlink(share, request)
    case 'realpath':
      return names.realpath(share, request)
    case 'statvfs':
      return statvfs.statvfs(share, request)
    case 'fstatvfs':
      return statvfs.fstatvfs(share, request)
    case 'unsupported':
      return statusReply(request.id, Fx.OP_UNSUPPORTED, 'not supported')
  }
}
