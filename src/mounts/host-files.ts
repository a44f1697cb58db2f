import fs from 'node:fs'
import { openFd, statFd } from './fd.ts'
import { isLocalFolder } from './local-folder.ts'

/** Milliseconds until what is mounted below a share is looked at again. */
const lookMs = 2000

/**
 * The looks that most requests begin with: small, and answered from the system's memory. On a local file system they
 * are done at once: a trip through Node's thread pool takes ten times as long as the look itself, and far longer on a
 * busy host. On any other they go through the pool, since a file server that is gone would stop the whole process.
 */
export class HostFiles {
  private root: string | undefined
  private local = false
  private lookAgain = 0

  /** Takes the share's root, a real path as a byte string. Until then everything goes through the pool. */
  setRoot(root: string): void {
    this.root = root
    this.lookAgain = 0
  }

  /** `lstat`. */
  async lstat(path: Buffer): Promise<fs.Stats> {
    return this.atOnce() ? fs.lstatSync(path) : await fs.promises.lstat(path)
  }

  /**
   * Whether a folder (an absolute path as a byte string) is there with no link on the way: then the path is its own real
   * path. Only ever true where looks are done at once; a link is for the pool, since the guest can make one that leads to
   * a file server which is gone.
   */
  isStraight(folder: string): boolean {
    if (!this.atOnce()) return false
    try {
      for (let end = 1; end > 0; ) {
        end = folder.indexOf('/', end + 1)
        const at = Buffer.from(end < 0 ? folder : folder.slice(0, end), 'latin1')
        if (!fs.lstatSync(at, { throwIfNoEntry: false })?.isDirectory()) return false
      }
      return true
    } catch {
      return false // whoever looks again says why
    }
  }

  /** `open`; what makes or cuts a file may wait for the disk and goes through the pool in any case. */
  async open(path: Buffer, flags: number, mode: number): Promise<number> {
    const changes = (flags & (fs.constants.O_CREAT | fs.constants.O_TRUNC)) !== 0
    return !changes && this.atOnce() ? fs.openSync(path, flags, mode) : await openFd(path, flags, mode)
  }

  /** `fstat`. */
  async fstat(fd: number): Promise<fs.Stats> {
    return this.atOnce() ? fs.fstatSync(fd) : await statFd(fd)
  }

  private atOnce(): boolean {
    const now = performance.now()
    if (this.root !== undefined && now >= this.lookAgain) {
      this.lookAgain = now + lookMs
      this.local = isLocalFolder(this.root, mountinfo())
    }
    return this.local
  }
}

/** Empty on hosts that are not Linux: no folder is local by it. */
function mountinfo(): string {
  try {
    return fs.readFileSync('/proc/self/mountinfo', 'latin1')
  } catch {
    return ''
  }
}
