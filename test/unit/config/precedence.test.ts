import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { loadConfig, type Templates } from '../../../src/config/load.ts'
import { applyChanges } from '../../../src/config/save.ts'
import { GIB } from '../../../src/config/units.ts'
import { errorOf, facts } from './facts.ts'

let folder: string
let file: string
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'tcolima-precedence-'))
  file = path.join(folder, 'tcolima.yaml')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const layer = (name: string, text: string) => ({ file: `${name}.yaml`, text })
const usual = layer(
  'default',
  '# usual\ncpu: 3\nmemory: 3\ndisk: 30\nhostname: usual\nnetwork: {dns: [1.1.1.1]}\n',
)
const named = layer('named', '# named\nmemory: 4\ndisk: 40\nhostname: named\nmounts: null\n')

function load(templates: Templates, flags = {}) {
  const { config, changes, newText } = loadConfig(file, flags, facts, templates)
  const { cpus, memory, disk, hostname, accel, network, mounts } = config
  return {
    cpus,
    memory: memory / GIB,
    disk: disk / GIB,
    hostname,
    accel,
    dns: network.dns,
    mounts: mounts.length,
    changes,
    newText,
  }
}

describe('default, usual template, named template, file, flag: the later before the earlier', () => {
  test('with a file', () => {
    writeFileSync(file, 'disk: 50\nhostname: file\nnetwork: {dnsHosts: {a.test: 1.2.3.4}}\n')
    expect(load({ usual, named }, { hostname: 'flag' })).toMatchObject({
      cpus: 3,
      memory: 4,
      disk: 50,
      hostname: 'flag',
      accel: 'auto',
      dns: ['1.1.1.1'],
      mounts: 0,
      // The named template is for this start: what the file lacks of it is kept.
      changes: { memory: 4, mounts: null, hostname: 'flag' },
      newText: undefined,
    })
  })

  test('null in a nearer file sets nothing, but for mounts', () => {
    writeFileSync(file, 'cpu:\nhostname: null\nmounts: []\n')
    expect(load({ usual, named })).toMatchObject({ cpus: 3, hostname: 'named', mounts: 1 })
  })

  test('a new file begins with the text of the nearer template, and what only the other says', () => {
    const { changes, newText, cpus, hostname } = load({ usual, named }, { cpus: '8' })
    expect([cpus, hostname]).toEqual([8, 'named'])
    expect(changes).toEqual({ cpu: 8 })
    expect(applyChanges(newText ?? '', changes)).toBe(
      `${named.text}cpu: 8\nnetwork:\n  dns:\n    - 1.1.1.1\n`,
    )
    expect(load({ usual }).newText).toBe(usual.text)
    expect(load({}).newText).toBeUndefined()
  })

  test('a template that is wrong is named', () => {
    const bad = layer('default', 'cpu: 2\nmemroy: 3\n')
    expect(errorOf(() => load({ usual: bad })).message).toBe(
      'default.yaml:2:1: unknown key "memroy"; did you mean "memory"?',
    )
  })
})

describe('parameters', () => {
  const template = layer(
    't',
    'param: {user: ann, port: 80}\nhostname: "box-{{.Param.user}}"\nenv: {A: "{{ .Param.port }}"}\n',
  )

  test('the nearest value counts, in the texts of every file', () => {
    writeFileSync(file, 'param: {user: bob}\n')
    const { config } = loadConfig(file, { param: ['port=81'] }, facts, { named: template })
    expect([config.hostname, config.env, config.param]).toEqual([
      'box-bob',
      { A: '81' },
      { user: 'bob', port: '81' },
    ])
  })

  test('one there is not is told where it stands', () => {
    writeFileSync(file, 'env:\n  A: "{{.Param.nosuch}}"\n')
    expect(errorOf(() => loadConfig(file, {}, facts)).message).toBe(
      `${file}:2:6: there is no parameter nosuch: add it to param`,
    )
  })

  test('other braces stay as they are', () => {
    writeFileSync(file, 'env:\n  A: "{{.Home}} {{ range }}"\n')
    expect(loadConfig(file, {}, facts).config.env).toEqual({ A: '{{.Home}} {{ range }}' })
  })
})
