import { accessSync, constants, statSync } from 'node:fs'
import path from 'node:path'

/**
 * Looks for a program in the folders of a PATH value; gives its full path. A name with a slash is only checked.
 * Synchronous, spawns nothing.
 */
export function findProgram(name: string, searchPath: string | undefined): string | undefined {
  if (name.includes('/')) return isExecutable(name) ? name : undefined
  const folders = (searchPath ?? '').split(path.delimiter).filter((folder) => folder !== '')
  return folders.map((folder) => path.join(folder, name)).find(isExecutable)
}

/**
 * Looks for a program tcolima uses: on PATH, then where system programs lie that an ordinary user's PATH leaves out
 * (mke2fs on Debian; virtiofsd everywhere; Homebrew when a desktop application starts tcolima).
 */
export function findHostProgram(
  name: string,
  searchPath: string | undefined,
  platform: 'linux' | 'darwin',
): string | undefined {
  return findProgram(name, [searchPath ?? '', ...extraFolders[platform]].join(path.delimiter))
}

const extraFolders = {
  linux: ['/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/libexec', '/usr/lib', '/usr/lib/qemu'],
  darwin: ['/opt/homebrew/bin', '/usr/local/bin'],
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return statSync(file).isFile()
  } catch {
    return false
  }
}
