import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { execa } from 'execa'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createDataDisk } from '../../../src/vm/disks.ts'

const main = path.resolve(import.meta.dirname, '../../../dist/main.cjs')
let folder: string
let home: string
let config: string
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'tcolima-settings-'))
  home = path.join(folder, 'home')
  config = path.join(home, 'default', 'tcolima.yaml')
  mkdirSync(path.dirname(config), { recursive: true })
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

async function tcolima(...args: string[]) {
  const env = {
    PATH: process.env.PATH,
    HOME: folder,
    TCOLIMA_HOME: home,
    EDITOR: path.join(folder, 'editor'),
  }
  const { exitCode, stdout, stderr } = await execa(process.execPath, [main, ...args], {
    reject: false,
    stdin: 'ignore',
    timeout: 30_000,
    cwd: folder,
    env,
    extendEnv: false,
  })
  return { exitCode, stdout, stderr }
}

/** An editor that runs these lines of shell, the first time, the second time and so on; then it changes nothing. */
function editor(...turns: string[]) {
  const lines = turns.map((turn, at) => `${at}) ${turn} ;;`).join('\n')
  const file = path.join(folder, 'editor')
  const count = path.join(folder, 'turns')
  writeFileSync(
    file,
    `#!/bin/sh\nn=$(cat ${count} 2>/dev/null || echo 0)\necho $((n + 1)) >${count}\ncp "$1" ${folder}/seen.$n\ncase $n in\n${lines}\nesac\n`,
  )
  chmodSync(file, 0o755)
}
const seen = (turn: number) => readFileSync(path.join(folder, `seen.${turn}`), 'utf8')
const saved = () => readFileSync(config, 'utf8')

describe('config', () => {
  it('gets what is in use: from the file, the template, or the default', async () => {
    writeFileSync(config, 'cpu: 6\nnetwork:\n  dns: [1.1.1.1]\n')
    mkdirSync(path.join(home, '_templates'))
    writeFileSync(path.join(home, '_templates/default.yaml'), 'cpu: 3\nmemory: 512MiB\n')
    const get = async (key: string) => (await tcolima('config', 'get', key)).stdout
    expect([await get('cpu'), await get('memory'), await get('disk')]).toEqual(['6', '512MiB', '100'])
    expect([await get('network.dns'), await get('network.dns.0')]).toEqual(['- 1.1.1.1', '1.1.1.1'])
    expect(JSON.parse((await tcolima('config', 'get', '--json')).stdout)).toMatchObject({ cpu: 6, disk: 100 })
    const wrong = await tcolima('config', 'get', 'memroy')
    expect([wrong.exitCode, wrong.stderr]).toEqual([2, expect.stringContaining('Did you mean "memory"?')])
  })

  it('sets a key and nothing else of the file', async () => {
    writeFileSync(config, '# mine\ncpu: 2 # two\nnetwork:\n  dns: [] # none\n')
    expect((await tcolima('config', 'set', 'cpu', '4')).exitCode).toBe(0)
    expect((await tcolima('config', 'set', 'network.dns', '[9.9.9.9]')).exitCode).toBe(0)
    expect((await tcolima('config', 'set', 'docker.features.buildkit', 'true')).exitCode).toBe(0)
    expect(saved()).toBe(
      '# mine\ncpu: 4 # two\nnetwork:\n  dns: # none\n    - 9.9.9.9\ndocker:\n  features:\n    buildkit: true\n',
    )
  })

  it.each([
    ['cpu', '0', 'cpu must be a whole number'],
    ['cpus', '4', 'did you mean "cpu"?'],
    ['cpu', '[', 'is no value'],
    ['disk', '5', 'disk: the data disk has 10GiB and cannot shrink to 5GiB'],
  ])('refuses %s %s and leaves the file', async (key, value, message) => {
    await createDataDisk(path.join(home, 'default/data.qcow2'), 10 * 2 ** 30)
    writeFileSync(config, 'disk: 10\n')
    const { exitCode, stderr } = await tcolima('config', 'set', key, value)
    expect([exitCode, stderr, saved()]).toEqual([2, expect.stringContaining(message), 'disk: 10\n'])
  })

  it('validates the file of a profile, or any', async () => {
    writeFileSync(config, 'cpu: 2\n')
    expect((await tcolima('config', 'validate')).exitCode).toBe(0)
    writeFileSync(path.join(folder, 'colima.yaml'), 'vmType: vz\ncpu: two\n')
    const { exitCode, stderr } = await tcolima('config', 'validate', 'colima.yaml')
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining(`${folder}/colima.yaml:2:6: cpu must be`)])
  })

  it('prints the schema that is published', async () => {
    const { stdout } = await tcolima('config', 'schema')
    const published = path.resolve(import.meta.dirname, '../../../schema/tcolima.schema.json')
    expect(`${stdout}\n`).toBe(readFileSync(published, 'utf8'))
  })
})

describe('edit', () => {
  it('shows every key for a machine there is not yet, and the schema where the file says', async () => {
    rmSync(config, { force: true })
    editor(`sed -i 's/^cpu: .*/cpu: 5/' "$1"`)
    expect((await tcolima('edit')).exitCode).toBe(0)
    expect(saved()).toContain('\ncpu: 5\n')
    const [, schema = ''] = /^# yaml-language-server: \$schema=(.*)$/m.exec(saved()) ?? []
    expect(existsSync(path.resolve(path.dirname(config), schema))).toBe(true)
  })

  it('opens again with the error above the text, on the line it names', async () => {
    writeFileSync(config, '# mine\ncpu: 2\n')
    editor(`sed -i 's/^cpu: .*/cpu: none/' "$1"`, `sed -i 's/^cpu: .*/cpu: 3/' "$1"`)
    expect((await tcolima('edit')).exitCode).toBe(0)
    const lines = seen(1).split('\n')
    const [, line] = /:(\d+):6: cpu must be a whole number/.exec(lines[0] ?? '') ?? []
    expect(lines[Number(line) - 1]).toBe('cpu: none')
    expect(saved()).toBe('# mine\ncpu: 3\n')
  })

  it.each([
    ['an emptied file', `: >"$1"`, 130, 'the file was emptied'],
    ['a wrong file that is left so', `echo 'cpu: none' >"$1"`, 2, 'cpu must be'],
    ['an editor that fails', 'exit 1', 1, 'the editor'],
    ['a change that cannot be', `echo 'disk: 5' >"$1"`, 2, 'cannot shrink to 5GiB'],
  ])('%s changes nothing', async (_, turn, code, message) => {
    await createDataDisk(path.join(home, 'default/data.qcow2'), 10 * 2 ** 30)
    writeFileSync(config, 'disk: 10\n')
    editor(turn)
    const { exitCode, stderr } = await tcolima('start', '--edit')
    expect([exitCode, stderr, saved()]).toEqual([code, expect.stringContaining(message), 'disk: 10\n'])
  })

  it('--editor goes before the environment', async () => {
    writeFileSync(config, 'disk: 10\n')
    editor('exit 1')
    expect((await tcolima('edit', '--editor', 'sed -i s/10/20/')).exitCode).toBe(0)
    expect(saved()).toBe('disk: 20\n')
  })
})

describe('template', () => {
  it('edits the settings that new machines begin with', async () => {
    editor(`printf 'cpu: 3\\n' >"$1"`)
    const file = path.join(home, '_templates/default.yaml')
    expect((await tcolima('template', '--print')).stdout).toBe(file)
    expect(existsSync(file)).toBe(false)
    expect((await tcolima('tmpl')).exitCode).toBe(0)
    expect(readFileSync(file, 'utf8')).toBe('cpu: 3\n')
    expect((await tcolima('config', 'get', 'cpu')).stdout).toBe('3')
  })

  it('what a file leaves to it holds for every command: parameters, mounts', async () => {
    mkdirSync(path.join(home, '_templates'))
    const template = `param: {where: ${folder}}\nmounts: [{location: "{{.Param.where}}"}]\n`
    writeFileSync(path.join(home, '_templates/default.yaml'), template)
    writeFileSync(config, 'hostname: "x"\n')
    expect((await tcolima('config', 'set', 'env.A', '{{.Param.where}}')).exitCode).toBe(2)
    expect((await tcolima('config', 'set', 'env.A', '"{{.Param.where}}"')).exitCode).toBe(0)
    editor(`sed -i 's/x/y/' "$1"`)
    expect(await tcolima('edit')).toMatchObject({ exitCode: 0 })
    expect(saved()).toBe('hostname: "y"\nenv:\n  A: "{{.Param.where}}"\n')
    writeFileSync(path.join(home, 'default/instance.json'), '{"version":1,"user":{"name":"u","uid":1}}')
    expect(JSON.parse((await tcolima('mount', 'list', '--json')).stdout)).toMatchObject({ location: folder })
  })

  it('a wrong one stops a start, and is named', async () => {
    mkdirSync(path.join(home, '_templates'))
    writeFileSync(path.join(home, '_templates/default.yaml'), 'memroy: 3\n')
    const { exitCode, stderr } = await tcolima('start')
    expect([exitCode, stderr]).toEqual([
      2,
      expect.stringContaining('_templates/default.yaml:1:1: unknown key "memroy"'),
    ])
    expect(existsSync(config)).toBe(false)
  })

  it('those that came with tcolima are listed beside the user\u2019s', async () => {
    mkdirSync(path.join(home, '_templates'))
    writeFileSync(path.join(home, '_templates/work.yaml'), '')
    const names = (await tcolima('template', 'list')).stdout.split('\n')
    expect(names).toEqual(expect.arrayContaining(['big-repo', 'docker', 'small', 'work']))
    const { exitCode, stderr } = await tcolima('start', '--template', 'smal')
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining('Did you mean small?')])
  })
})

describe('the same from everywhere', () => {
  it('a file in the current folder is no settings of the profile', async () => {
    writeFileSync(path.join(folder, 'tcolima.yaml'), 'cpu: none\n')
    writeFileSync(path.join(folder, 'colima.yaml'), 'cpu: none\n')
    mkdirSync(path.join(folder, 'default'))
    writeFileSync(path.join(folder, 'default/tcolima.yaml'), 'cpu: none\n')
    expect((await tcolima('config', 'get', 'cpu')).stdout).toBe('2')
    expect((await tcolima('config', 'validate')).exitCode).toBe(0)
  })
})
