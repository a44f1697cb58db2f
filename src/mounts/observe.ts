import type { Request } from './codec-requests.ts'
import { opensForChange } from './ops-files.ts'
import type { ShareObserver } from './share.ts'

/** Tells an observer what a request that was done has changed; what is done by handles is told where they are closed. */
export function tell(observer: ShareObserver, request: Request): void {
  switch (request.kind) {
    case 'open':
      if (opensForChange(request.pflags)) observer.changed(request.path)
      break
    case 'setstat':
    case 'mkdir':
    case 'remove':
    case 'rmdir':
    case 'symlink':
      observer.changed(request.path)
      break
    case 'rename':
    case 'posix-rename':
    case 'hardlink':
      observer.changed(request.from)
      observer.changed(request.to)
      break
    default:
      break
  }
}
