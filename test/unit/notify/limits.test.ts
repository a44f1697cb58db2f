import { expect, test } from 'vitest'
import { type LimitsOf, limitWarning, thisMachine } from '../../../src/notify/limits.ts'

const errno = (code: string) => Object.assign(new Error(code), { code })
const machine = (platform: string, files: Record<string, string> = {}): LimitsOf => ({
  platform,
  read: (path) => files[path],
  openFiles: () => '256',
})

test.each([
  ['ENOSPC', 'max_user_watches', '8192', 'sysctl fs.inotify.max_user_watches=524288'],
  ['ENOSPC', 'max_user_watches', '600000', 'sysctl fs.inotify.max_user_watches=1200000'],
  ['EMFILE', 'max_user_instances', '128', 'sysctl fs.inotify.max_user_instances=1024'],
])('%s on Linux names %s, its value %s and the command', (code, setting, value, command) => {
  const warning = limitWarning(errno(code), machine('linux', { [`/proc/sys/fs/inotify/${setting}`]: value }))
  expect(warning?.text).toContain(`fs.inotify.${setting} (${value})`)
  expect(warning?.hint).toContain(`sudo ${command}\``)
})

test.each([
  ['linux', 'EMFILE', 'ulimit -n'],
  ['linux', 'ENFILE', 'ulimit -n'],
  ['darwin', 'EMFILE', 'launchctl limit maxfiles'],
])('on %s %s is the limit of open files', (platform, code, command) => {
  const warning = limitWarning(errno(code), machine(platform))
  expect(warning?.text).toContain('open files is met (256)')
  expect(warning?.hint).toContain(command)
})

test.each(['ENOENT', 'EACCES', 'ENOTDIR'])('%s is no limit', (code) => {
  expect(limitWarning(errno(code), machine('linux'))).toBeUndefined()
})

test('this machine knows its limits', () => {
  expect(thisMachine.openFiles()).toMatch(/^(\d+|unlimited)$/)
  expect(thisMachine.read('/there/is/no/such/file')).toBeUndefined()
})
