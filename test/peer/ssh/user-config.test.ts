import { execFileSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { hideInUserConfig, showInUserConfig } from '../../../src/ssh/user-config.ts'

let top: string
let userHome: string
let config: string
beforeEach(() => {
  top = mkdtempSync(path.join(tmpdir(), 'tcolima-ssh-'))
  userHome = path.join(top, 'home')
  config = path.join(userHome, '.ssh/config')
  mkdirSync(userHome)
})
afterEach(() => rmSync(top, { recursive: true, force: true }))

const portOf = (name: string) =>
  /^port (\d+)$/m.exec(
    execFileSync('ssh', ['-F', config, '-G', name], { encoding: 'utf8', stdio: 'pipe' }),
  )?.[1]

function instance(name: string, port: number): string {
  const file = path.join(top, name)
  writeFileSync(file, `Host ${name}\n  Port ${port}\n`, { mode: 0o600 })
  return file
}

test.each(['plain', 'with space', 'odd [a] *'])(
  'OpenSSH finds each instance by one Include, below "%s"',
  async (name) => {
    const places = { userHome, folder: path.join(top, name, '_ssh') }
    await showInUserConfig(places, 'tcolima', instance('tcolima', 4001))
    await showInUserConfig(places, 'tcolima-b', instance('tcolima-b', 4002))
    await showInUserConfig(places, 'tcolima', instance('tcolima', 4003))
    expect(readFileSync(config, 'utf8').match(/^Include/gm)).toHaveLength(1)
    expect([portOf('tcolima'), portOf('tcolima-b'), portOf('other')]).toEqual(['4003', '4002', '22'])
    expect(statSync(config).mode & 0o777).toBe(0o600)
  },
)

test('what the user has stays to the letter, also when the last instance goes', async () => {
  const places = { userHome, folder: path.join(top, '_ssh') }
  const own = '# mine\r\n\r\nHost a\n\tPort 7\nInclude other'
  mkdirSync(path.dirname(config))
  writeFileSync(path.join(top, 'dotfile'), own, { mode: 0o644 })
  symlinkSync(path.join(top, 'dotfile'), config)
  await showInUserConfig(places, 'x', instance('x', 4001))
  await showInUserConfig(places, 'y', instance('y', 4002))
  await hideInUserConfig(places, 'x')
  expect([portOf('x'), portOf('y'), portOf('a')]).toEqual(['22', '4002', '7'])
  await hideInUserConfig(places, 'y')
  await hideInUserConfig(places, 'y')
  expect(readFileSync(config, 'utf8')).toBe(own)
  expect(statSync(config).mode & 0o777).toBe(0o644)
  expect(existsSync(places.folder)).toBe(false)
})

test('a file that cannot be read is left alone, and the reason is thrown', async () => {
  mkdirSync(config, { recursive: true })
  const places = { userHome, folder: path.join(top, '_ssh') }
  await expect(showInUserConfig(places, 'x', instance('x', 4001))).rejects.toThrow(/EISDIR/)
})
