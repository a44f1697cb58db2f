import { errnoOf } from '../host/errors.ts'
import { statusReply } from './codec-replies.ts'
import { Fx } from './protocol.ts'

/** A request that fails with a status of its own, not one that follows from a system error. */
export class StatusError extends Error {
  override name = 'StatusError'
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/** The error for anything a client may not do: leave the share, or change a read-only one. */
export function denied(message: string): StatusError {
  return new StatusError(Fx.PERMISSION_DENIED, message)
}

/** The error for anything else that is refused. */
export function failure(message: string): StatusError {
  return new StatusError(Fx.FAILURE, message)
}

/** The error for an open beyond what the server holds. */
export function tooManyFiles(): StatusError {
  return new StatusError(Fx.NO_CONNECTION, 'EMFILE')
}

/** Takes whatever a request threw; gives the SSH_FXP_STATUS reply, with a text that names no path of the host. */
export function errorReply(id: number, thrown: unknown): Buffer {
  if (thrown instanceof StatusError) return statusReply(id, thrown.status, thrown.message)
  const errno = errnoOf(thrown)
  return statusReply(id, statusOf(errno), errno ?? 'failure')
}

/** The status for a system error: version 3 has only these few (draft section 7), of which two are between us and our client. */
export function statusOf(errno: string | undefined): number {
  switch (errno) {
    case 'ENOENT':
    case 'ENOTDIR':
      // OpenSSH: a path through something that is no folder is a path to nothing.
      return Fx.NO_SUCH_FILE
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return Fx.PERMISSION_DENIED
    case 'EOPNOTSUPP':
    case 'ENOTSUP':
    case 'ENOSYS':
      return Fx.OP_UNSUPPORTED
    case 'EMFILE':
    case 'ENFILE':
      return Fx.NO_CONNECTION
    case 'ENOSPC':
    case 'EDQUOT':
      return Fx.CONNECTION_LOST
    default:
      return Fx.FAILURE
  }
}
