import { closeSync, fstatSync, openSync, readSync } from 'node:fs'

/** The last `count` lines of a text file, without empty ones; none when it cannot be read. Reads 64 KiB at most. */
export function lastLines(file: string, count: number): string[] {
  let handle: number
  try {
    handle = openSync(file, 'r')
  } catch {
    return []
  }
  try {
    const size = fstatSync(handle).size
    const buffer = Buffer.alloc(Math.min(size, 65_536))
    const length = readSync(handle, buffer, 0, buffer.length, size - buffer.length)
    const lines = buffer.toString('utf8', 0, length).split(/\r?\n/)
    return lines.filter((line) => line.trim() !== '').slice(-count)
  } finally {
    closeSync(handle)
  }
}

/** Text of a guest without what would move the reader's cursor; it may span lines. Pure. */
export function printable(text: string): string {
  // eslint-disable-next-line no-control-regex -- these are what is taken away
  return text.replaceAll(/\u001b\[[0-9;?!]*[ -/]*[@-~]|[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '')
}
