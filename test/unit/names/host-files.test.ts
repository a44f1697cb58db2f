import { mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import * as fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { FollowedFile } from '../../../src/names/followed-file.ts'
import { parseHosts } from '../../../src/names/hosts-file.ts'
import { parseResolvConf, readResolvConf } from '../../../src/names/resolv-conf.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'tcolima-names-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

test.each<[string, string[], string[]]>([
  ['', [], []],
  ['nameserver 10.1.1.1\nnameserver ::1 # mine\n; nameserver 9.9.9.9', ['10.1.1.1', '::1'], []],
  ['nameserver fe80::1%eth0\nnameserver nonsense\nnameserver', ['fe80::1%eth0'], []],
  ['search a.test b.test.\r\noptions ndots:2', [], ['a.test', 'b.test']],
  ['search a.test\ndomain c.test', [], ['c.test']],
  ['domain c.test\nsearch a.test b.test', [], ['a.test', 'b.test']],
  // systemd-resolved's "none", and what would be something else in the guest's file
  ['search . -x a%sb $(id) ok.test', [], ['ok.test']],
])('resolv.conf %j', (text, servers, search) => expect(parseResolvConf(text)).toEqual({ servers, search }))

test('no resolv.conf', () => {
  expect(readResolvConf(path.join(folder, 'none'))).toEqual({ servers: [], search: [] })
})

test('a hosts file', () => {
  const { addresses, names } = parseHosts(
    '127.0.0.1\tlocalhost\n10.1.1.1 Db.Test db # the db\n::1 db\n10.1.1.1 db other\nfe80::1%lo0 zone\nnonsense x\n\n#10.2.2.2 no\n',
  )
  expect(Object.fromEntries(addresses)).toEqual({
    localhost: ['127.0.0.1'],
    'db.test': ['10.1.1.1'],
    db: ['10.1.1.1', '::1'],
    other: ['10.1.1.1'],
  })
  expect(names.get('10.1.1.1')).toBe('Db.Test')
})

test('any text', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      parseHosts(text)
      for (const domain of parseResolvConf(`search ${text}`).search) expect(domain).toMatch(/^[\w.-]+$/)
    }),
  )
})

test('a file is read anew once it changed, a second later at most', () => {
  let now = 0
  let reads = 0
  const file = path.join(folder, 'resolv.conf')
  const followed = new FollowedFile(
    file,
    (text) => {
      reads++
      return text
    },
    () => now,
  )
  expect(followed.value).toBe('')
  writeFileSync(path.join(folder, 'one'), 'one')
  symlinkSync('one', file)
  expect(followed.value).toBe('')
  now += 1000
  expect(followed.value).toBe('one')
  const before = reads
  now += 1000
  expect([followed.value, reads]).toEqual(['one', before])
  // As resolvconf and NetworkManager do it: another file under the name.
  writeFileSync(path.join(folder, 'two'), 'two')
  renameSync(path.join(folder, 'two'), file)
  now += 1000
  expect(followed.value).toBe('two')
  unlinkSync(file)
  now += 1000
  expect(followed.value).toBe('')
})
