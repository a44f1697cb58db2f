import { describe, expect, it } from 'vitest'
import { isLocalFolder } from '../../../src/mounts/local-folder.ts'

function mountinfo(...mounts: [point: string, type: string][]): string {
  return mounts
    .map(
      ([point, type], index) => `${index + 30} 1 0:25 / ${point} rw,relatime shared:1 - ${type} source rw\n`,
    )
    .join('')
}

const root: [string, string] = ['/', 'ext4']

describe('isLocalFolder', () => {
  it.each<[string, string, [string, string][], boolean]>([
    ['a folder of the root file system', '/home/me/src', [root], true],
    ['the root itself', '/', [root], true],
    ['a folder on a mount of its own', '/home/me', [root, ['/home', 'btrfs']], true],
    ['a network folder', '/home/me', [root, ['/home', 'nfs4']], false],
    ['a folder below a network folder', '/net/a/b', [root, ['/net', 'cifs']], false],
    ['a network folder below the share', '/home/me', [root, ['/home/me/far', 'fuse.sshfs']], false],
    ['a place where one would be mounted', '/home/me', [root, ['/home/me/far', 'autofs']], false],
    ['a network folder beside the share', '/home/me', [root, ['/home/me2', 'nfs']], true],
    ['one with a longer name', '/home/me', [root, ['/home/me-far', 'nfs']], true],
    ['a network folder under a local one', '/data', [root, ['/data', 'nfs'], ['/data', 'xfs']], true],
    ['a local folder under a network one', '/data', [root, ['/data', 'xfs'], ['/data', 'nfs']], false],
    ['a name that is written escaped', '/a b\\c', [root, ['/a\\040b\\134c', 'nfs']], false],
    ['the whole machine, with its /proc', '/', [root, ['/proc', 'proc']], false],
    ['a host without such a file', '/home/me', [], false],
  ])('%s', (_, folder, mounts, local) => {
    expect(isLocalFolder(folder, mountinfo(...mounts))).toBe(local)
  })
})
