import fs from 'node:fs'
import { chmodFd, closeFd, openFd, readFd, statFd, syncFd, timesFd, writeFd } from './fd.ts'
import { isLocalFolder } from './local-folder.ts'

/** Milliseconds until what is mounted below a share is looked at again. */
const lookMs = 2000
/**
 * Milliseconds after which a disk is busy. It is then given nothing that would have to be waited for, as many times longer,
 * and so long at most: on a busy host a step may only have waited for a processor.
 */
const slowMs = 5
const restTimes = 40
const restMs = 2000
/** Bytes that are written or read at once. */
const small = 32 * 1024
/** Bytes of a file that is changed, closed or removed at once. */
const smallFile = 1 << 20
/** Bytes of a folder that is listed or removed at once: one that was large stays so on some file systems. */
const smallFolder = 64 * 1024

/**
 * The small steps that most requests consist of, answered from the system's memory. On a local file system they
 * are done at once: a trip through Node's thread pool takes ten times as long as a step itself, and far longer on a
 * busy host. On any other they go through the pool, since a file server that is gone would stop the whole process. So do
 * changes and data while something is brought to the disk, which they may have to wait for, and for a while when one of them
 * had to wait.
 */
export class HostFiles {
  private root: string | undefined
  private local = false
  private lookAgain = 0
  private restUntil = 0
  private syncing = 0
  private readonly largeFolders = new WeakSet<fs.Dir>()

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

  /** `open`; cutting a file may take long and goes through the pool in any case. */
  async open(path: Buffer, flags: number, mode: number): Promise<number> {
    const { O_CREAT, O_EXCL, O_TRUNC, O_WRONLY, O_RDWR } = fs.constants
    const atOnce = () => fs.openSync(path, flags, mode)
    const pooled = () => openFd(path, flags, mode)
    const makes = O_CREAT | O_EXCL
    if ((flags & makes) === makes) return await this.quick(atOnce, pooled)
    if (flags & (O_CREAT | O_TRUNC) || !this.atOnce()) return await pooled()
    return flags & (O_WRONLY | O_RDWR) && this.isLarge(path) ? await pooled() : atOnce()
  }

  /** `close`: some file systems bring a file to the disk then that had been cut, and one without a name gives its place back. */
  async close(fd: number): Promise<void> {
    await this.quickIfSmall(
      [fd],
      () => fs.closeSync(fd),
      () => closeFd(fd),
    )
  }

  /** `chmod` by path: its last name must be no link. */
  async chmod(path: Buffer, mode: number): Promise<void> {
    await this.quickIfSmall(
      [path],
      () => fs.chmodSync(path, mode),
      () => fs.promises.chmod(path, mode),
    )
  }

  /** `chmod` of an open file. */
  async fchmod(fd: number, mode: number): Promise<void> {
    await this.quickIfSmall(
      [fd],
      () => fs.fchmodSync(fd, mode),
      () => chmodFd(fd, mode),
    )
  }

  /** Sets times, in seconds; of a link its own. */
  async lutimes(path: Buffer, atime: number, mtime: number): Promise<void> {
    await this.quickIfSmall(
      [path],
      () => fs.lutimesSync(path, atime, mtime),
      () => fs.promises.lutimes(path, atime, mtime),
    )
  }

  /** Sets an open file's times, in seconds. */
  async futimes(fd: number, atime: number, mtime: number): Promise<void> {
    await this.quickIfSmall(
      [fd],
      () => fs.futimesSync(fd, atime, mtime),
      () => timesFd(fd, atime, mtime),
    )
  }

  /** `rename`: some file systems bring a file to the disk that replaces another, and what is replaced gives its place back. */
  async rename(from: Buffer, to: Buffer): Promise<void> {
    await this.quickIfSmall(
      [from, to],
      () => fs.renameSync(from, to),
      () => fs.promises.rename(from, to),
    )
  }

  /** `link`. */
  async link(from: Buffer, to: Buffer): Promise<void> {
    await this.quickIfSmall(
      [from],
      () => fs.linkSync(from, to),
      () => fs.promises.link(from, to),
    )
  }

  /** `symlink`. */
  async symlink(target: Buffer, path: Buffer): Promise<void> {
    await this.quick(
      () => fs.symlinkSync(target, path),
      () => fs.promises.symlink(target, path),
    )
  }

  /** `readlink`; gives bytes. */
  async readlink(path: Buffer): Promise<Buffer> {
    const encoding = 'buffer'
    return await this.quick(
      () => fs.readlinkSync(path, { encoding }),
      () => fs.promises.readlink(path, { encoding }),
    )
  }

  /** `opendir`, for a folder that is read by `nextName`, so many entries from the system at a time. */
  async opendir(path: Buffer, bufferSize: number): Promise<fs.Dir> {
    // Node's types know only text encodings here, but it gives names as bytes too.
    const options = { encoding: 'buffer' as BufferEncoding, bufferSize }
    const pooled = () => fs.promises.opendir(path, options)
    if (!this.isLarge(path)) return await this.quick(() => fs.opendirSync(path, options), pooled)
    const dir = await pooled()
    this.largeFolders.add(dir)
    return dir
  }

  /** The next name of a folder, as a byte string; undefined at its end. */
  async nextName(dir: fs.Dir): Promise<string | undefined> {
    const pooled = () => dir.read()
    const entry = this.largeFolders.has(dir) ? await pooled() : await this.quick(() => dir.readSync(), pooled)
    return (entry?.name as unknown as Buffer | undefined)?.toString('latin1')
  }

  /** Closes a folder. */
  async closedir(dir: fs.Dir): Promise<void> {
    if (this.atOnce()) dir.closeSync()
    else await dir.close()
  }

  /** `mkdir`. */
  async mkdir(path: Buffer, mode: number): Promise<void> {
    await this.quick(
      () => fs.mkdirSync(path, { mode }),
      () => fs.promises.mkdir(path, { mode }),
    )
  }

  /** `rmdir`. */
  async rmdir(path: Buffer): Promise<void> {
    await this.quickIfSmall(
      [path],
      () => fs.rmdirSync(path),
      () => fs.promises.rmdir(path),
    )
  }

  /** `unlink`; to give back a large file's place takes its time. */
  async unlink(path: Buffer): Promise<void> {
    await this.quickIfSmall(
      [path],
      () => fs.unlinkSync(path),
      () => fs.promises.unlink(path),
    )
  }

  /** Writes all of `data` at `offset`. */
  async write(fd: number, data: Buffer, offset: number): Promise<void> {
    const pooled = () => writeFd(fd, data, offset)
    if (data.length > small) return await pooled()
    await this.quick(() => {
      for (let at = 0; at < data.length; ) at += fs.writeSync(fd, data, at, data.length - at, offset + at)
    }, pooled)
  }

  /** Reads once, `length` bytes from `offset` of the file, into the buffer behind its first `at`; gives how many came. */
  async read(fd: number, into: Buffer, at: number, length: number, offset: number): Promise<number> {
    const pooled = () => readFd(fd, into, at, length, offset)
    if (length > small) return await pooled()
    return await this.quick(() => fs.readSync(fd, into, at, length, offset), pooled)
  }

  /** `fstat`. */
  async fstat(fd: number): Promise<fs.Stats> {
    return this.atOnce() ? fs.fstatSync(fd) : await statFd(fd)
  }

  /** Brings an open file to the disk. */
  async sync(fd: number): Promise<void> {
    this.syncing++
    try {
      await syncFd(fd)
    } finally {
      this.syncing--
    }
  }

  /** Does something small at once; gives undefined where that would have to go through the pool. Throws as `work` does. */
  ifQuick<T>(work: () => T): T | undefined {
    const began = performance.now()
    if (!this.atOnce() || this.syncing > 0 || began < this.restUntil) return undefined
    try {
      return work()
    } finally {
      const ended = performance.now()
      if (ended - began > slowMs) this.restUntil = ended + Math.min(restMs, restTimes * (ended - began))
    }
  }

  private async quick<T>(atOnce: () => T, pooled: () => Promise<T>): Promise<T> {
    const done = this.ifQuick(() => ({ result: atOnce() }))
    return done ? done.result : await pooled()
  }

  /** For what takes the longer the larger these are, given by path or descriptor; on an overlay, what changes any of a file. */
  private async quickIfSmall<T>(
    these: (Buffer | number)[],
    atOnce: () => T,
    pooled: () => Promise<T>,
  ): Promise<T> {
    return these.some((one) => this.isLarge(one)) ? await pooled() : await this.quick(atOnce, pooled)
  }

  /** Whether something is known to be large, or cannot be known. */
  private isLarge(one: Buffer | number): boolean {
    if (!this.atOnce()) return false
    try {
      const stats = typeof one === 'number' ? fs.fstatSync(one) : fs.lstatSync(one, { throwIfNoEntry: false })
      return stats !== undefined && stats.size > (stats.isDirectory() ? smallFolder : smallFile)
    } catch {
      return true // whoever does it says why
    }
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
