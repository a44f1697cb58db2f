import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { execa } from 'execa'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { instancePaths, type InstancePaths } from '../../../src/instance/paths.ts'
import { writeRecord } from '../../../src/instance/record.ts'
import { createDataDisk, diskSize } from '../../../src/vm/disks.ts'
import { plainRecord } from '../../fixtures/record.ts'

// Public reports of users of other programs (../shared/cases.md, B35 to B39), as far as they need no guest.
const main = path.resolve(import.meta.dirname, '../../../dist/main.cjs')
let folder: string
let paths: InstancePaths
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'tcolima-cases-'))
  paths = instancePaths(path.join(folder, 'home'), 'default')
  mkdirSync(paths.folder, { recursive: true })
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

async function tcolima(args: string[], { cwd = folder, env = {} }: { cwd?: string; env?: object } = {}) {
  const { exitCode, stdout, stderr } = await execa(process.execPath, [main, ...args], {
    reject: false,
    stdin: 'ignore',
    timeout: 30_000,
    cwd,
    env: { PATH: process.env.PATH, HOME: folder, TCOLIMA_HOME: path.dirname(paths.folder), ...env },
    extendEnv: false,
  })
  return { exitCode, stdout, stderr }
}

/** An instance that was made with these disks, and does not run. */
async function made(): Promise<void> {
  await createDataDisk(paths.dataDisk, 10 * 2 ** 30)
  await createDataDisk(paths.rootDisk, 20 * 2 ** 30)
  await writeRecord(paths.record, plainRecord)
  writeFileSync(paths.config, 'disk: 10\nmounts: null\n')
}

describe('B35: sizes', () => {
  it.each([
    ...['0', '-1', 'abc', '1.5GiB', '', '1e3', '999999'].map((value) => ['--memory', value] as const),
    ...['0', '-2', '1.5', 'x'].map((value) => ['--cpus', value] as const),
  ])('%s %j is refused with the range, and nothing is made', async (flag, value) => {
    const { exitCode, stderr } = await tcolima(['start', `${flag}=${value}`, '--disk', '10'])
    expect([exitCode, stderr]).toEqual([
      2,
      expect.stringMatching(new RegExp(`${flag} must be .* from .* to `)),
    ])
    expect(readdirSync(paths.folder)).toEqual([])
  })

  it('the same number in the file and in what is shown', async () => {
    writeFileSync(paths.config, 'memory: 1.25\n')
    expect((await tcolima(['config', 'get', 'memory'])).stdout).toBe('1.25')
  })
})

describe('B36: a broken file', () => {
  it.each([
    ['cpu: 2\n\tmemory: 4', ':2:1: '],
    ['cpu: "2', ':1:'],
    ['memroy: 4', ':1:1: unknown key "memroy"; did you mean "memory"?'],
    ['mounts: yes', ':1:9: mounts must be'],
    ['provision:\n- mode: system\n    echo hi', ':2:3: provision[0].script is missing'],
    ['cpu: two', ':1:6: cpu must be'],
    ['kubernetes: true', ':1:13: kubernetes must be a map'],
  ])('%j stops a start, in the settings and in the template', async (text, message) => {
    writeFileSync(paths.config, text)
    const own = await tcolima(['start'])
    expect([own.exitCode, own.stderr]).toEqual([2, expect.stringContaining(`${paths.config}${message}`)])
    expect(readFileSync(paths.config, 'utf8')).toBe(text)
    rmSync(paths.config)
    const template = path.join(path.dirname(paths.folder), '_templates/default.yaml')
    mkdirSync(path.dirname(template))
    writeFileSync(template, text)
    const usual = await tcolima(['start'])
    expect([usual.exitCode, usual.stderr]).toEqual([2, expect.stringContaining(`${template}${message}`)])
    expect(readFileSync(template, 'utf8')).toBe(text)
  })

  it('an empty file means defaults', async () => {
    writeFileSync(paths.config, '\n')
    expect((await tcolima(['config', 'validate'])).exitCode).toBe(0)
    expect((await tcolima(['config', 'get', 'cpu'])).stdout).toBe('2')
  })
})

describe('B37: from everywhere the same', () => {
  it('the current folder, odd variables and a trap in the way change nothing', async () => {
    await made()
    const trap = path.join(folder, 'trap')
    mkdirSync(path.join(trap, 'default'), { recursive: true })
    for (const name of ['tcolima.yaml', 'colima.yaml', 'default/tcolima.yaml']) {
      writeFileSync(path.join(trap, name), 'disk: 5\n')
    }
    const odd = {
      LANG: 'C',
      LC_ALL: 'xx_YY',
      TMPDIR: '/nonexistent',
      BASH_ENV: '/x',
      ENV: '/x',
      EDITOR: '',
      CDPATH: '/',
      GREP_OPTIONS: '-v',
    }
    for (const cwd of ['/', paths.folder, folder, trap]) {
      for (const env of [{}, odd]) {
        expect(await tcolima(['config', 'get', 'disk'], { cwd, env })).toMatchObject({
          exitCode: 0,
          stdout: '10',
        })
        const smaller = await tcolima(['restart', '--disk', '5'], { cwd, env })
        expect([smaller.exitCode, smaller.stderr]).toEqual([
          2,
          expect.stringContaining('the data disk has 10GiB and cannot shrink to 5GiB'),
        ])
      }
    }
    expect(readFileSync(paths.config, 'utf8')).toBe('disk: 10\nmounts: null\n')
    expect(JSON.parse((await tcolima(['list', '--json'])).stdout)).toMatchObject({ status: 'Stopped' })
  })
})

describe('B38: mounts', () => {
  it.each([
    [['--mount-type', ''], '--mount-type must be'],
    [['--mount-type', 'bogus'], '--mount-type must be'],
    [['--mount', '/tmp:rx'], '--mount'],
  ])('%j is refused', async (flags, message) => {
    const { exitCode, stderr } = await tcolima(['start', ...flags])
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining(message)])
  })
})

describe('B39: nothing is replaced', () => {
  it.each([
    [['--arch', 'aarch64'], ['aarch64']],
    [
      ['--disk', '5'],
      ['cannot shrink to 5GiB', 'another profile'],
    ],
    [
      ['--runtime', 'containerd'],
      ['was made with docker and cannot become containerd', 'another profile'],
    ],
    // Of a time when there was no other distribution.
    [
      ['--distro', 'debian-12'],
      ['was made with debian-13 and cannot become debian-12', 'another profile'],
    ],
    [['--runtime', 'bogus'], ['runtime']],
    [
      ['--mount-type', '9p'],
      ['no 9p', 'another profile'],
    ],
  ])('a start with %j is refused with the ways out, and all is as it was', async (flags, words) => {
    await made()
    const before = readdirSync(paths.folder).sort()
    const { exitCode, stderr } = await tcolima(['start', ...flags])
    expect(exitCode).toBe(2)
    for (const word of words) expect(stderr).toContain(word)
    expect(readdirSync(paths.folder).sort()).toEqual(before)
    expect(readFileSync(paths.config, 'utf8')).toBe('disk: 10\nmounts: null\n')
    expect(await diskSize(paths.dataDisk)).toBe(10 * 2 ** 30)
  })

  it.each([
    ['the file', ['start'], 'disk: 5\nmounts: null\n'],
    ['a restart with the file', ['restart'], 'disk: 5\nmounts: null\n'],
    ['a restart', ['restart', '--disk', '5'], undefined],
    ['config set', ['config', 'set', 'disk', '5'], undefined],
    ['an edit', ['edit'], undefined],
    ['an edit before a start', ['start', '--edit'], undefined],
  ])('the same from %s', async (_what, words, text = 'disk: 10\nmounts: null\n') => {
    await made()
    writeFileSync(paths.config, text)
    const before = readdirSync(paths.folder).sort()
    const { exitCode, stderr } = await tcolima(words, { env: { EDITOR: 'sed -i "s/^disk: 10$/disk: 5/"' } })
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining('cannot shrink to 5GiB')])
    expect(readdirSync(paths.folder).sort()).toEqual(before)
    expect(readFileSync(paths.config, 'utf8')).toBe(text)
    expect(await diskSize(paths.dataDisk)).toBe(10 * 2 ** 30)
  })

  it('delete asks, and without a terminal needs --force', async () => {
    await made()
    const { exitCode, stderr } = await tcolima(['delete'])
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining('--force')])
    expect(readdirSync(paths.folder)).toContain('instance.json')
  })
})
