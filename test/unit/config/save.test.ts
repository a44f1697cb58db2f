import { chmod, lstat, mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import type { ConfigChanges } from '../../../src/config/flags.ts'
import { applyChanges, saveConfig } from '../../../src/config/save.ts'
import { configTemplate } from '../../../src/config/template.ts'
import { writeFileAtomic } from '../../../src/host/files.ts'
import { errorOf } from './facts.ts'

const two = [{ location: '/a', writable: true }, { location: '/b' }]
const twoLines = '  - location: /a\n    writable: true\n  - location: /b'

describe('applyChanges changes the value and nothing else', () => {
  test.each<[string, string, ConfigChanges, string]>([
    [
      'scalar, comments, spacing',
      '# mine\n\n\ncpu:   2    # few\nmemory: 4\n',
      { cpu: 6 },
      '# mine\n\n\ncpu:   6    # few\nmemory: 4\n',
    ],
    ['quotes that are needed', 'hostname: a\n', { hostname: '' }, 'hostname: ""\n'],
    ['number to text', 'memory: 1.50 # x', { memory: '512MiB' }, 'memory: 512MiB # x'],
    [
      'same value in another form',
      'memory: 2.0\ncpu: 0x4\n',
      { memory: 2, cpu: 4 },
      'memory: 2.0\ncpu: 0x4\n',
    ],
    ['no value yet', 'cpu:\nmemory: 1\n', { cpu: 3 }, 'cpu: 3\nmemory: 1\n'],
    ['no value, a comment', 'cpu: # why\nmemory: 1\n', { cpu: 3 }, 'cpu: 3 # why\nmemory: 1\n'],
    ['new key', 'cpu: 2', { disk: 10 }, 'cpu: 2\ndisk: 10\n'],
    ['new key after a comment', 'cpu: 2\n# end\n', { disk: 10 }, 'cpu: 2\n# end\ndisk: 10\n'],
    ['new key in a file of comments', '# a\n', { disk: 10 }, '# a\ndisk: 10\n'],
    ['new block', 'cpu: 2\n', { mounts: two }, `cpu: 2\nmounts:\n${twoLines}\n`],
    [
      'list on one line to block',
      'mounts: [] # home\n# next\ncpu: 2\n',
      { mounts: two },
      `mounts: # home\n${twoLines}\n# next\ncpu: 2\n`,
    ],
    ['null to block', 'mounts: null\ncpu: 2\n', { mounts: two }, `mounts:\n${twoLines}\ncpu: 2\n`],
    [
      'block to block',
      'mounts: # all\n# first\n- location: /x # x\n- location: /y\n\n# about cpu\ncpu: 2\n',
      { mounts: two },
      `mounts: # all\n# first\n${twoLines}\n\n# about cpu\ncpu: 2\n`,
    ],
    [
      'block to null',
      'mounts: # all\n  - location: /x # x\n\n# about cpu\ncpu: 2\n',
      { mounts: null },
      'mounts: null # all # x\n\n# about cpu\ncpu: 2\n',
    ],
    [
      'block to null at the end',
      'cpu: 1\nmounts:\n  - location: /x',
      { mounts: null },
      'cpu: 1\nmounts: null',
    ],
    [
      'list over lines',
      'mounts: [\n  {location: /x}\n]\ncpu: 1\n',
      { mounts: null },
      'mounts: null\ncpu: 1\n',
    ],
    [
      'Windows newlines',
      'cpu: 2\r\nmounts: []\r\nmemory: 1\r\n',
      { cpu: 3, mounts: [{ location: '/a' }] },
      'cpu: 3\r\nmounts:\r\n  - location: /a\r\nmemory: 1\r\n',
    ],
    ['flow map', '{cpu: 2, memory: 1}\n', { cpu: 3 }, '{cpu: 3, memory: 1}\n'],
    ['nothing to change', 'cpu:   2\n', {}, 'cpu:   2\n'],
    ['undefined is no change', 'cpu: 2\n', { cpu: undefined }, 'cpu: 2\n'],
    [
      'map to block',
      'docker: {}\ncpu: 2\n',
      { docker: { a: { b: [1] } } },
      'docker:\n  a:\n    b:\n      - 1\ncpu: 2\n',
    ],
  ])('%s', (_, before, changes, after) => expect(applyChanges(before, changes)).toBe(after))

  test.each(['{cpu: 2}\n', 'cpu: 2\n...\n', '---\ncpu: 2\n', '"cpu": 2\n? mounts\n: - location: /a\n'])(
    'an unusual layout still holds the right values: %j',
    (before) => {
      const changes = { cpu: 3, disk: 10, mounts: two }
      expect(parse(applyChanges(before, changes))).toMatchObject(changes)
    },
  )

  test('a value that others refer to is not replaced under them', () => {
    const text = 'mounts: &m\n  - location: /a\nenv: {a: *m}\n'
    const error = errorOf(() => applyChanges(text, { mounts: two }, 'f.yaml'))
    expect(error).toMatchObject({ code: 'config', message: 'cannot set mounts in f.yaml as it is written' })
    expect(applyChanges(text, { cpu: 3 })).toBe(`${text}cpu: 3\n`)
  })

  test('any layout, any change: the values are right and the comments are all there', () => {
    const mounts = fc.constantFrom(
      'null',
      '[]',
      '[{location: /z}]',
      '',
      '\n  - location: /z # in\n',
      '\n# in\n- location: /z\n',
    )
    const change = fc.record(
      {
        cpu: fc.integer({ min: 1, max: 64 }),
        memory: fc.constantFrom(1.5, 2, '512MiB'),
        mounts: fc.constantFrom(null, [], two),
        hostname: fc.constantFrom('', 'null', '1.5', 'a.b', 'yes'),
        docker: fc.constantFrom({}, { a: ['# no comment', 'x: y'] }),
      },
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(mounts, fc.constantFrom('\n', '\n\n', '\n\n# gap\n'), change, (mountText, gap, changes) => {
        const text = `# top${gap}cpu: 2 # c1${gap}mounts:${mountText && ` ${mountText}`}${gap}hostname: 'a' # c2${gap}`
        const after = applyChanges(text, changes)
        expect(parse(after)).toEqual({ ...(parse(text) as object), ...changes })
        for (const comment of ['# top', '# c1', '# c2']) expect(after).toContain(comment)
        expect(after.split('# gap').length).toBe(text.split('# gap').length)
      }),
    )
  })

  test('empty text becomes the template', () => {
    expect(applyChanges(' \n', {})).toBe(configTemplate())
    expect(applyChanges('', { cpu: 6 })).toBe(configTemplate().replace('cpu: 2', 'cpu: 6'))
  })

  test('broken YAML is refused', () => {
    expect(errorOf(() => applyChanges('cpu: "2', { cpu: 3 }, 'f.yaml'))).toMatchObject({ code: 'config' })
  })
})

describe('saveConfig', () => {
  let folder: string
  let file: string
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'tcolima-save-'))
    file = path.join(folder, 'profile', 'tcolima.yaml')
  })
  afterEach(() => rm(folder, { recursive: true }))

  test('makes the file and its folder, for the user alone', async () => {
    await saveConfig(file, { cpu: 6 }, writeFileAtomic)
    expect(await readFile(file, 'utf8')).toContain('cpu: 6')
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    expect((await stat(path.dirname(file))).mode & 0o777).toBe(0o700)
  })

  test('follows a link', async () => {
    const real = path.join(folder, 'dotfiles.yaml')
    await writeFile(real, 'cpu: 2 # mine\n')
    await mkdir(path.dirname(file))
    await symlink(real, file)
    await saveConfig(file, { cpu: 6 }, writeFileAtomic)
    expect((await lstat(file)).isSymbolicLink()).toBe(true)
    expect(await readFile(real, 'utf8')).toBe('cpu: 6 # mine\n')
  })

  test('writes nothing where nothing changes, and nothing over a broken file', async () => {
    await mkdir(path.dirname(file))
    const never = () => Promise.reject(new Error('written'))
    await writeFile(file, 'cpu: 2\n')
    await saveConfig(file, { cpu: 2 }, never)
    await writeFile(file, 'cpu: "2\n')
    await expect(saveConfig(file, { cpu: 3 }, never)).rejects.toMatchObject({ code: 'config' })
  })

  test.skipIf(process.getuid?.() === 0)('a file that cannot be read is not replaced', async () => {
    await mkdir(path.dirname(file))
    await writeFile(file, 'cpu: 2\n')
    await chmod(file, 0)
    await expect(saveConfig(file, { cpu: 3 }, writeFileAtomic)).rejects.toMatchObject({ code: 'config' })
  })
})
