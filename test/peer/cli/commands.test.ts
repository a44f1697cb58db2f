import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { execa } from 'execa'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { programHelp } from '../../../src/cli/parser.ts'
import { writtenHelp } from '../../../src/cli/written-help.ts'

const main = path.resolve(import.meta.dirname, '../../../dist/main.cjs')

let folder: string
let home: string

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'tcolima-cli-'))
  home = path.join(folder, 'home')
  mkdirSync(home)
})

afterEach(() => rmSync(folder, { recursive: true, force: true }))

async function tcolima(...args: string[]) {
  return await execa(process.execPath, [main, ...args], {
    reject: false,
    stdin: 'ignore',
    timeout: 30_000,
    env: { PATH: process.env.PATH, HOME: folder, TCOLIMA_HOME: home },
    extendEnv: false,
  })
}

/** An instance that was created and is stopped, as the agent leaves it. */
function stopped(name: string): void {
  mkdirSync(path.join(home, name))
  const record = {
    version: 1,
    arch: 'x86_64',
    runtime: 'docker',
    imageDigest: 'none',
    user: { name: 'u', uid: 1 },
  }
  writeFileSync(path.join(home, name, 'instance.json'), JSON.stringify(record))
}

describe('usage', () => {
  it.each([
    ['an unknown command', ['strat'], 'start'],
    ['an unknown flag', ['start', '--memroy', '2'], '--memory'],
    ['a wrong number', ['start', '--cpus', '1.5'], '--cpus'],
    ['no memory', ['start', '--memory', '0'], '--memory'],
    ['an engine there is not', ['start', '--runtime', 'bogus'], 'runtime'],
    ['a wrong profile', ['status', '-p', '../x'], 'profile'],
  ])('%s: exit code 2, and a word that helps', async (_what, args, word) => {
    const result = await tcolima(...args)
    expect(result.exitCode).toBe(2)
    expect(result.stderr).toContain(word)
    expect(existsSync(path.join(home, 'default'))).toBe(false)
  })

  it('help and version need nothing', async () => {
    const { stdout } = await tcolima('--help')
    expect(`${stdout}\n`).toBe(programHelp(80))
    // What the build wrote is what it would write now.
    const built = path.join(main, '../help')
    const files = readdirSync(built).map((name) => [name, readFileSync(path.join(built, name), 'utf8')])
    expect(Object.fromEntries(files)).toEqual(writtenHelp(programHelp))
    expect((await tcolima('start', '--help')).stdout).toContain('--memory <GiB>')
    expect((await tcolima('version')).stdout).toMatch(/^tcolima \d+\.\d+\.\d+$/)
  })
})

describe('a broken configuration', () => {
  it.each([
    ['cpu: 2\n\tmemory: 4', ':2:'],
    ['memroy: 4', 'memory'],
    ['mounts: yes', 'mounts'],
    ['cpu: two', 'cpu'],
  ])('%j stops the start, names the place, and stays as it is', async (text, word) => {
    const file = path.join(home, 'default', 'tcolima.yaml')
    mkdirSync(path.dirname(file))
    writeFileSync(file, text)
    const result = await tcolima('start')
    expect(result.exitCode).toBe(2)
    expect(result.stderr).toContain(file)
    expect(result.stderr).toContain(word)
    expect(readFileSync(file, 'utf8')).toBe(text)
  })
})

describe('a mount that cannot be', () => {
  // B12
  it('a folder that is gone is named, and nothing is started', async () => {
    stopped('good')
    const gone = path.join(folder, 'gone')
    writeFileSync(
      path.join(home, 'good', 'tcolima.yaml'),
      `mounts:\n  - location: ${folder}\n  - location: ${gone}\n`,
    )
    const result = await tcolima('start', 'good')
    expect([result.exitCode, result.stderr]).toEqual([
      2,
      expect.stringContaining(`cannot mount ${gone}: there is no`),
    ])
    expect(existsSync(path.join(home, 'good', 'lock'))).toBe(false)
  })

  it('a type there is not', async () => {
    const result = await tcolima('start', '--mount-type', 'nfs')
    expect([result.exitCode, result.stderr]).toEqual([2, expect.stringContaining('sshfs, 9p or virtiofs')])
  })

  it('9p in an instance without it is refused, with what to do', async () => {
    stopped('good')
    const result = await tcolima('start', 'good', '--mount-type', '9p', '--mount', folder)
    expect([result.exitCode, result.stderr]).toEqual([2, expect.stringContaining('tcolima delete keeps')])
  })
})

describe('one broken instance', () => {
  it('hides no other, and can be deleted', async () => {
    stopped('good')
    mkdirSync(path.join(home, 'probe'))
    mkdirSync(path.join(home, 'probe2'))
    const config = path.join(home, 'probe2', 'tcolima.yaml')
    writeFileSync(config, Buffer.from([0, 255]))
    chmodSync(config, 0)
    stopped('probe3')
    writeFileSync(path.join(home, 'probe3', 'instance.json'), '{')
    const listed = await tcolima('list', '--json')
    expect([listed.exitCode, listed.stderr]).toEqual([0, ''])
    const entries = listed.stdout
      .split('\n')
      .map((line) => JSON.parse(line) as { name: string; status: string })
    expect(entries.map(({ name, status }) => `${name} ${status}`)).toEqual([
      'good Stopped',
      'probe2 Broken',
      'probe3 Broken',
    ])
    const shown = await tcolima('list')
    expect([shown.exitCode, shown.stderr]).toEqual([0, expect.stringContaining('probe2')])
    for (const name of ['probe2', 'probe3']) {
      expect((await tcolima('delete', name, '--force')).exitCode).toBe(0)
      expect(existsSync(path.join(home, name))).toBe(false)
    }
  })
})

describe('commands on what does not run', () => {
  it.each([
    [['status', 'nosuch'], 3],
    [['ssh', '-p', 'nosuch', '--', 'true'], 3],
    [['ssh-config', 'nosuch'], 3],
    [['stop', 'nosuch'], 3],
    [['delete', 'nosuch', '--force'], 3],
    [['status', 'good'], 3],
    [['ssh', 'good'], 3],
    [['stop', 'good'], 0],
  ])('%j ends with %i at once', async (args, code) => {
    stopped('good')
    const result = await tcolima(...args)
    expect(result.exitCode, result.stderr).toBe(code)
  })

  it('delete without a terminal needs --force', async () => {
    stopped('good')
    const result = await tcolima('delete', 'good')
    expect(result.exitCode).toBe(2)
    expect(result.stderr).toContain('--force')
    expect(existsSync(path.join(home, 'good', 'instance.json'))).toBe(true)
  })

  it('delete keeps the data disk and the owners that go with it, or neither', async () => {
    stopped('good')
    const inside = (name: string) => path.join(home, 'good', name)
    for (const name of ['owners', 'data.qcow2', 'seed.tar']) writeFileSync(inside(name), '')
    expect((await tcolima('delete', 'good', '--force')).exitCode).toBe(0)
    expect(readdirSync(path.join(home, 'good')).sort()).toEqual(['data.qcow2', 'owners'])
    rmSync(inside('data.qcow2'))
    expect((await tcolima('delete', 'good', '--force')).exitCode).toBe(0)
    expect(existsSync(path.join(home, 'good'))).toBe(false)
  })

  it('errors are JSON where JSON was asked for', async () => {
    const result = await tcolima('status', 'nosuch', '--json')
    expect(JSON.parse(result.stdout)).toMatchObject({ type: 'error', code: 'not-found' })
  })
})

describe('doctor', () => {
  it('looks at the host and says how to mend it', async () => {
    const result = await tcolima('doctor', '--json')
    const checks = result.stdout
      .split('\n')
      .map((line) => JSON.parse(line) as { status: string; fix?: string })
    expect(checks.length).toBeGreaterThan(5)
    for (const check of checks) expect(check.status === 'ok' || check.fix !== undefined).toBe(true)
  })
})
