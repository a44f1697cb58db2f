import path from 'node:path'

/** The digest that a checksum file (`sha256sum`'s format) has for the file at a path; undefined when it has none. Pure. */
export function digestIn(text: string, file: string): string | undefined {
  const wanted = path.posix.basename(file)
  for (const line of text.split(/\r?\n/)) {
    const [, digest, name = ''] = /^([0-9a-f]{64}) [ *](.+)$/i.exec(line) ?? []
    if (digest !== undefined && path.posix.basename(name) === wanted) return digest.toLowerCase()
  }
  return undefined
}
