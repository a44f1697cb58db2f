import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { execa } from 'execa'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type FakeGuest, fakeGuest } from './fake-guest.ts'

const main = path.resolve(import.meta.dirname, '../../../dist/main.cjs')

let folder: string
let home: string

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'tcolima-machines-'))
  home = path.join(folder, 'home')
  mkdirSync(path.join(folder, 'bin'), { recursive: true })
  // A docker client that only tells what it was asked.
  const log = path.join(folder, 'docker.log')
  writeFileSync(path.join(folder, 'bin', 'docker'), `#!/bin/sh\necho "$*" >>'${log}'\necho default\n`, {
    mode: 0o755,
  })
})

afterEach(() => rmSync(folder, { recursive: true, force: true }))

async function tcolima(...args: string[]) {
  return await execa(process.execPath, [main, ...args], {
    reject: false,
    stdin: 'ignore',
    timeout: 30_000,
    env: {
      PATH: `${path.join(folder, 'bin')}:${process.env.PATH ?? ''}`,
      HOME: folder,
      TCOLIMA_HOME: home,
    },
    extendEnv: false,
  })
}

const inside = (profile: string, name: string) => path.join(home, profile, name)
const json = (file: string) => JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>
const settings = '# mine\ncpu: 3 # three\ndisk: 1\nmounts: null\n'

/** A stopped machine with real disks. */
async function stopped(name: string): Promise<void> {
  mkdirSync(path.join(home, name), { recursive: true })
  writeFileSync(inside(name, 'tcolima.yaml'), settings, { mode: 0o640 })
  writeFileSync(inside(name, 'ssh_host_ed25519_key'), 'old key')
  writeFileSync(inside(name, 'owners'), 'who')
  writeFileSync(inside(name, 'agent.log'), 'said')
  await execa('qemu-img', ['create', '-q', '-f', 'qcow2', inside(name, 'data.qcow2'), '1G'])
  const base = path.join(home, 'base.img')
  writeFileSync(base, Buffer.alloc(1 << 20, 1))
  await execa('qemu-img', [
    ...['create', '-q', '-f', 'qcow2', '-b', base, '-F', 'raw'],
    ...[inside(name, 'root.qcow2'), '20G'],
  ])
  const record = {
    version: 1,
    arch: 'x86_64',
    runtime: 'docker',
    imageDigest: 'none',
    user: { name: 'u', uid: 1 },
    mac: '52:54:00:00:00:01',
    hostKey: 'ssh-ed25519 old',
  }
  writeFileSync(inside(name, 'instance.json'), JSON.stringify(record))
}

const names = async () =>
  (await tcolima('list', '--json')).stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => (JSON.parse(line) as { name: string }).name)

describe('clone', () => {
  it('copies disks and settings, and is a machine of its own', async () => {
    await stopped('one')
    mkdirSync(path.join(home, '_clone-other'))
    const result = await tcolima('clone', 'one', 'two')
    expect([result.exitCode, result.stderr]).toEqual([0, expect.stringContaining('tcolima start two')])
    expect(await names()).toEqual(['one', 'two'])
    // A name that the files of clones could be mistaken for.
    expect((await tcolima('clone', 'one', 'lock')).exitCode).toBe(0)
    for (const name of ['tcolima.yaml', 'data.qcow2', 'root.qcow2', 'owners']) {
      expect(readFileSync(inside('two', name)).equals(readFileSync(inside('one', name)))).toBe(true)
    }
    const { mac, hostKey, ...rest } = json(inside('two', 'instance.json'))
    expect(rest).toMatchObject({ runtime: 'docker', imageDigest: 'none' })
    expect(mac).toMatch(/^52:54:00:/)
    expect(mac).not.toBe('52:54:00:00:00:01')
    expect(readFileSync(inside('two', 'ssh_host_ed25519_key.pub'), 'utf8').trim()).toBe(hostKey)
    expect(readFileSync(inside('one', 'ssh_host_ed25519_key'), 'utf8')).toBe('old key')
    expect(existsSync(inside('two', 'agent.log'))).toBe(false)
    // What an interrupted clone left is gone, and nothing of this one is left.
    expect(readdirSync(home).filter((name) => name.startsWith('_clone'))).toEqual([])
    await execa('qemu-img', ['check', inside('two', 'root.qcow2')])
  })

  it('refuses what cannot be', async () => {
    await stopped('one')
    mkdirSync(path.join(home, 'taken'))
    writeFileSync(inside('taken', 'data.qcow2'), 'kept by a delete')
    expect(await tcolima('clone', 'one', 'taken')).toMatchObject({ exitCode: 2 })
    expect(await tcolima('clone', 'one', 'one')).toMatchObject({ exitCode: 2 })
    expect(await tcolima('clone', 'nosuch', 'two')).toMatchObject({ exitCode: 3 })
    expect(existsSync(path.join(home, 'two'))).toBe(false)
  })
})

describe('rename', () => {
  it('moves the machine, and takes away what has its old name', async () => {
    await stopped('one')
    const kubeconfig = path.join(folder, 'kubeconfig')
    const entry = (kind: string) => ({ name: 'tcolima-one', [kind]: {} })
    writeFileSync(
      kubeconfig,
      JSON.stringify({ clusters: [entry('cluster')], contexts: [entry('context')], users: [entry('user')] }),
    )
    writeFileSync(inside('one', 'kubeconfig.json'), JSON.stringify({ files: [kubeconfig], before: '' }))
    const result = await tcolima('rename', 'one', 'two', '--json')
    expect([result.exitCode, result.stderr]).toEqual([0, ''])
    expect(await names()).toEqual(['two'])
    expect(readFileSync(inside('two', 'tcolima.yaml'), 'utf8')).toBe(settings)
    expect(readdirSync(path.join(home, 'two')).filter((name) => name.startsWith('lock'))).toEqual([])
    expect(readFileSync(path.join(folder, 'docker.log'), 'utf8')).toContain('context rm --force tcolima-one')
    expect(readFileSync(kubeconfig, 'utf8')).not.toContain('tcolima-one')
  })

  it('the machine that is worked on, where one name is given', async () => {
    await stopped('default')
    expect((await tcolima('rename', 'work')).exitCode).toBe(0)
    expect(await names()).toEqual(['work'])
    expect(await tcolima('rename', 'work', 'work')).toMatchObject({ exitCode: 2 })
  })
})

it('a cluster knows its node by the name that the machine had first, whatever it is called later', async () => {
  await stopped('one')
  expect((await tcolima('clone', 'one', 'two')).exitCode).toBe(0)
  expect(json(inside('two', 'instance.json')).node).toBeUndefined()
  const state = { version: 1, qemu: { pid: 1, started: 'x' }, config: { mounts: [] }, kubernetesPort: 6443 }
  writeFileSync(inside('one', 'state.json'), JSON.stringify(state))
  for (const words of [
    ['rename', 'one', 'first'],
    ['clone', 'first', 'copy'],
    ['rename', 'copy', 'last'],
  ]) {
    expect((await tcolima(...words)).exitCode).toBe(0)
  }
  for (const name of ['first', 'last']) expect(json(inside(name, 'instance.json')).node).toBe('tcolima-one')
})

it('a worker keeps its node under another name, and its clone is a node of its own', async () => {
  await stopped('one')
  const config = { mounts: [], kubernetes: { enabled: true, join: 'default' } }
  const state = { version: 1, qemu: { pid: 1, started: 'x' }, config }
  writeFileSync(inside('one', 'state.json'), JSON.stringify(state))
  expect((await tcolima('rename', 'one', 'first')).exitCode).toBe(0)
  expect(json(inside('first', 'instance.json')).node).toBe('tcolima-one')
  expect((await tcolima('clone', 'first', 'copy')).exitCode).toBe(0)
  expect(json(inside('copy', 'instance.json')).node).toBeUndefined()
})

it('a server that is cloned leaves its workers, whose nodes go with the first start of the clone', async () => {
  await stopped('one')
  const workers = [{ name: 'w', node: 'tcolima-w', number: 2 }]
  writeFileSync(inside('one', 'workers.json'), JSON.stringify(workers))
  expect((await tcolima('clone', 'one', 'two')).exitCode).toBe(0)
  expect(json(inside('one', 'workers.json'))).toEqual(workers)
  expect(json(inside('two', 'workers.json'))).toEqual([{ ...workers[0], gone: true }])
  expect((await tcolima('rename', 'two', 'three')).stderr).not.toContain('w still joins')
})

it('a server under another name tells which workers are to be told', async () => {
  await stopped('one')
  await stopped('w')
  const workers = ['w', 'deleted'].map((name, at) => ({ name, node: name, number: at + 2 }))
  writeFileSync(inside('one', 'workers.json'), JSON.stringify(workers))
  const { stderr } = await tcolima('rename', 'one', 'two')
  expect(stderr).toContain('w still joins one; have it join two: tcolima start w --kubernetes-join two')
  expect(stderr).not.toContain('deleted')
})

describe('protect', () => {
  it('has delete refuse, also with --force', async () => {
    await stopped('one')
    expect((await tcolima('protect', 'one')).exitCode).toBe(0)
    const result = await tcolima('delete', 'one', '--force', '--data')
    expect([result.exitCode, result.stderr]).toEqual([1, expect.stringContaining('tcolima unprotect one')])
    expect(JSON.parse((await tcolima('list', '-j')).stdout)).toMatchObject({ name: 'one', protected: true })
    expect((await tcolima('unprotect', 'one')).exitCode).toBe(0)
    expect((await tcolima('delete', 'one', '--force', '--data')).exitCode).toBe(0)
    expect((await tcolima('protect', 'one')).exitCode).toBe(3)
  })
})

it('delete is not undone by a command that comes in between', async () => {
  await stopped('one')
  const service = path.join(folder, '.config/systemd/user/tcolima-one.service')
  mkdirSync(path.dirname(service), { recursive: true })
  writeFileSync(service, 'a service')
  // The last step of taking autostart away, and the first time only: the command may ask for the same.
  const once = path.join(folder, 'once')
  writeFileSync(
    path.join(folder, 'bin', 'systemctl'),
    `#!/bin/sh
case "$*" in *daemon-reload) ;; *) exit 0 ;; esac
mkdir '${once}' && '${process.execPath}' '${main}' status one
exit 0
`,
    { mode: 0o755 },
  )
  expect(await tcolima('delete', 'one', '--force')).toMatchObject({ exitCode: 0 })
  expect([existsSync(once), existsSync(service)]).toEqual([true, false])
})

describe('disk', () => {
  it('usage tells of both disks', async () => {
    await stopped('one')
    const { stdout } = await tcolima('disk', 'usage', 'one', '--json')
    expect(stdout.split('\n').map((line) => JSON.parse(line) as object)).toMatchObject([
      { name: 'system', size: 20 * 2 ** 30, used: -1 },
      { name: 'data', size: 2 ** 30, used: -1 },
    ])
  })

  it('compact drops what is empty, and keeps what is not', async () => {
    await stopped('one')
    const disk = inside('one', 'data.qcow2')
    const io = ['-c', 'write -P 7 0 1M', '-c', 'write -P 0 1M 32M']
    await execa('qemu-io', ['-f', 'qcow2', ...io, disk])
    const { stdout, exitCode } = await tcolima('disk', 'compact', 'one', '--json')
    expect(exitCode).toBe(0)
    const { bytes } = JSON.parse(stdout.split('\n').at(-1) ?? '') as { bytes: number }
    expect(bytes).toBeGreaterThan(30 * 2 ** 20)
    await execa('qemu-io', ['-f', 'qcow2', '-c', 'read -P 7 0 1M', '-c', 'read -P 0 1M 32M', disk])
    const info = await execa('qemu-img', ['info', inside('one', 'root.qcow2')])
    expect(info.stdout).toContain('backing file:')
    expect(readdirSync(path.join(home, 'one')).filter((name) => name.endsWith('.new'))).toEqual([])
  })

  it('resize grows the disk and the setting, and never shrinks', async () => {
    await stopped('one')
    expect((await tcolima('disk', 'resize', '3', '-p', 'one')).exitCode).toBe(0)
    expect(readFileSync(inside('one', 'tcolima.yaml'), 'utf8')).toBe(settings.replace('disk: 1', 'disk: 3'))
    const { stdout } = await execa('qemu-img', ['info', '--output=json', inside('one', 'data.qcow2')])
    expect(JSON.parse(stdout)).toMatchObject({ 'virtual-size': 3 * 2 ** 30 })
    const less = await tcolima('disk', 'resize', '2', '-p', 'one')
    expect([less.exitCode, less.stderr]).toEqual([2, expect.stringContaining('cannot shrink')])
    expect(readFileSync(inside('one', 'tcolima.yaml'), 'utf8')).toContain('disk: 3')
  })
})

describe('of a running machine', () => {
  let guest: FakeGuest

  beforeEach(async () => {
    mkdirSync(home)
    guest = await fakeGuest(home, 'live')
  })

  afterEach(() => guest.server.close())

  it.each([[['clone', 'live', 'two']], [['rename', 'live', 'two']], [['disk', 'compact', 'live']]])(
    '%j says that it must stop first',
    async (words) => {
      const result = await tcolima(...words)
      expect([result.exitCode, result.stderr]).toEqual([1, expect.stringContaining('tcolima stop live')])
      expect(existsSync(path.join(home, 'two'))).toBe(false)
    },
  )

  it('disk trim and usage ask the guest', async () => {
    guest.program('fstrim', `echo "$1" >>'${path.join(folder, 'trimmed')}'`)
    guest.program('df', 'printf "     Used Mounted on\\n 1048576 /\\n    2048 /mnt/tcolima-data\\n"')
    expect((await tcolima('disk', 'trim', 'live')).exitCode).toBe(0)
    expect(readFileSync(path.join(folder, 'trimmed'), 'utf8')).toBe('/\n/mnt/tcolima-data\n')
    await execa('qemu-img', ['create', '-q', '-f', 'qcow2', inside('live', 'data.qcow2'), '1G'])
    const { stdout } = await tcolima('disk', 'usage', 'live', '--json')
    expect(JSON.parse(stdout)).toMatchObject({ name: 'data', used: 2048 })
    const resized = await tcolima('disk', 'resize', '40', '-p', 'live')
    expect([resized.exitCode, resized.stderr]).toEqual([0, expect.stringContaining('when it is restarted')])
  })
})
