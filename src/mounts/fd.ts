import fs from 'node:fs'

// Plain descriptors and callbacks: FileHandle costs more per read, and closes behind one's back when collected.

type Done = (error: Error | null) => void

/** Opens a file; gives its descriptor. */
export function openFd(path: Buffer, flags: number, mode: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.open(path, flags, mode, (error, fd) => (error ? reject(error) : resolve(fd)))
  })
}

/** Closes a descriptor. */
export function closeFd(fd: number): Promise<void> {
  return call((done) => fs.close(fd, done))
}

/** The attributes of an open file. */
export function statFd(fd: number): Promise<fs.Stats> {
  return new Promise((resolve, reject) => {
    fs.fstat(fd, (error, stats) => (error ? reject(error) : resolve(stats)))
  })
}

/** Reads once; gives how many bytes came, 0 at the end of the file. */
export function readFd(
  fd: number,
  into: Buffer,
  at: number,
  length: number,
  offset: number,
): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.read(fd, into, at, length, offset, (error, count) => (error ? reject(error) : resolve(count)))
  })
}

/** Writes all of `data` at `offset`, or at the descriptor's own place with `null`. */
export async function writeFd(fd: number, data: Buffer, offset: number | null): Promise<void> {
  for (let at = 0; at < data.length; ) {
    at += await writeOnce(fd, data, at, offset === null ? null : offset + at)
  }
}

/** Sets an open file's length. */
export function truncateFd(fd: number, size: number): Promise<void> {
  return call((done) => fs.ftruncate(fd, size, done))
}

/** Sets an open file's permission bits. */
export function chmodFd(fd: number, mode: number): Promise<void> {
  return call((done) => fs.fchmod(fd, mode, done))
}

/** Sets an open file's times, in seconds. */
export function timesFd(fd: number, atime: number, mtime: number): Promise<void> {
  return call((done) => fs.futimes(fd, atime, mtime, done))
}

/** Brings an open file to the disk. */
export function syncFd(fd: number): Promise<void> {
  return call((done) => fs.fsync(fd, done))
}

function writeOnce(fd: number, data: Buffer, at: number, offset: number | null): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.write(fd, data, at, data.length - at, offset, (error, count) =>
      error ? reject(error) : resolve(count),
    )
  })
}

function call(start: (done: Done) => void): Promise<void> {
  return new Promise((resolve, reject) => start((error) => (error ? reject(error) : resolve())))
}
