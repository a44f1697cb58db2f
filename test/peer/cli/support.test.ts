import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { execa } from 'execa'
import { afterEach, beforeEach, expect, it } from 'vitest'

const main = path.resolve(import.meta.dirname, '../../../dist/main.cjs')

let folder: string

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'tcolima-support-'))
})

afterEach(() => rmSync(folder, { recursive: true, force: true }))

async function support(...words: string[]) {
  return await execa(process.execPath, [main, 'support', ...words], {
    reject: false,
    stdin: 'ignore',
    cwd: folder,
    timeout: 60_000,
    env: { PATH: process.env.PATH, HOME: folder, TCOLIMA_HOME: path.join(folder, 'home') },
    extendEnv: false,
  })
}

it('has logs, settings and versions in it, and no secret', async () => {
  const machine = path.join(folder, 'home', 'work')
  mkdirSync(machine, { recursive: true })
  const put = (name: string, text: string) => writeFileSync(path.join(machine, name), text)
  put(
    'tcolima.yaml',
    'cpu: 3\nenv:\n  WORD: sesame99\nprovision:\n  - mode: user\n    script: echo openthedoor\n' +
      'docker:\n  proxies:\n    http-proxy: http://me:pa55word@proxy:3128\n',
  )
  put('agent.log', 'started\nexport WORD=sesame99\n')
  put('serial.log', 'the guest said\npassword=hunter22\n')
  put('ssh_host_ed25519_key', '-----BEGIN OPENSSH PRIVATE KEY-----\nkeymaterial\n')
  put('seed.tar', 'seedmaterial')
  put('qemu.log', `${'x'.repeat(1_500_000)}\nthe end\n`)
  mkdirSync(path.join(folder, 'home', 'broken'))
  writeFileSync(path.join(folder, 'home', 'broken', 'instance.json'), '{')
  const result = await support('--json')
  expect(result.exitCode, result.stderr).toBe(0)
  const { file } = JSON.parse(result.stdout) as { file: string }
  expect(path.dirname(file)).toBe(folder)
  expect(statSync(file).mode & 0o777).toBe(0o600)
  await execa('tar', ['-xzf', file, '--strip-components=1'], { cwd: folder })
  const read = (name: string) => readFileSync(path.join(folder, name), 'utf8')
  expect(read('versions.json')).toContain('"node"')
  expect(JSON.parse(read('doctor.json'))).not.toEqual([])
  expect(read('work/tcolima.yaml')).toContain('cpu: 3')
  expect(read('work/agent.log')).toBe('started\nexport WORD=***\n')
  expect(read('work/serial.log')).toContain('the guest said')
  expect(read('work/qemu.log')).toContain('the end')
  expect(read('work/files.txt')).toContain('ssh_host_ed25519_key')
  expect(read('broken/instance.json')).toContain('left out')
  const { stdout: all } = await execa('tar', ['-xzOf', file])
  for (const secret of ['sesame99', 'openthedoor', 'pa55word', 'hunter22', 'keymaterial', 'seedmaterial']) {
    expect(all).not.toContain(secret)
  }
})

it('of one machine, where it is told', async () => {
  mkdirSync(path.join(folder, 'home', 'one'), { recursive: true })
  writeFileSync(path.join(folder, 'home', 'one', 'tcolima.yaml'), '')
  const result = await support('one', '-o', 'here.tar.gz')
  expect([result.exitCode, result.stdout]).toEqual([0, path.join(folder, 'here.tar.gz')])
  expect((await support('nosuch')).exitCode).toBe(3)
})
