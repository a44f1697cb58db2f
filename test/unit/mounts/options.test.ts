import { expect, test } from 'vitest'
import { longnameOf } from '../../../src/mounts/longname.ts'
import { mountOptions, sshfsOptions } from '../../../src/mounts/options.ts'
import type { Stats } from 'node:fs'

test('sshfs speaks on stdin, for all users, and shows the owners the server gives', () => {
  const options = sshfsOptions({ writable: true })
  expect(options).toEqual(expect.arrayContaining(['slave', 'allow_other', 'idmap=none', 'rw']))
  expect(options).not.toContain('ro')
  expect(options.some((option) => option.includes(','))).toBe(false)
})

test('a read-only share is mounted so', () => {
  expect(sshfsOptions({ writable: false })).toContain('ro')
})

test.each([
  ['9p', true, ['trans=virtio', 'version=9p2000.L', 'msize=131072', 'cache=mmap', 'rw']],
  ['9p', false, ['trans=virtio', 'version=9p2000.L', 'msize=131072', 'cache=mmap', 'ro']],
  ['virtiofs', true, ['rw']],
  ['virtiofs', false, ['ro']],
  ['sshfs', true, sshfsOptions({ writable: true })],
] as const)('%s, writable %j', (type, writable, options) => {
  expect(mountOptions(type, { writable })).toEqual(options)
})

test('the long form of a name is that of ls', () => {
  const stats = { mode: 0o100754, nlink: 1, uid: 5, gid: 6, size: 7, mtimeMs: 0 } as Stats
  expect(longnameOf('x', stats)).toBe('-rwxr-xr--    1        5        6        7 Jan  1  1970 x')
  expect(longnameOf('x', stats, 1000)).toMatch(/Jan {2}1 00:00 x$/)
})
