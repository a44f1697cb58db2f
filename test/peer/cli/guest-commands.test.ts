import { appendFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import type { Server } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { execa } from 'execa'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { send } from './fake-agent.ts'
import { type FakeGuest, fakeGuest } from './fake-guest.ts'

const main = path.resolve(import.meta.dirname, '../../../dist/main.cjs')

let home: string
let guest: FakeGuest
let ports: ((change: object) => void) | undefined
let mounts: object[]
const servers: Server[] = []

beforeEach(async () => {
  home = mkdtempSync(path.join(tmpdir(), 'tcolima-guest-'))
  mounts = [
    { mountPoint: '/m', location: '/l', state: 'mounted', detail: '', writable: true, watched: false },
  ]
  guest = await fakeGuest(home, 'default', (socket, { method }) => {
    if (method === 'status') {
      send(socket, { result: { phase: 'running', mounts, ports: [], sockets: {}, warnings: [] } })
      socket.end()
    } else if (method === 'watchPorts') ports = (change) => send(socket, { change })
  })
  servers.push(guest.server)
})

afterEach(() => {
  for (const server of servers.splice(0)) server.close()
  rmSync(home, { recursive: true, force: true })
})

function tcolima(...words: string[]) {
  return execa(process.execPath, [main, ...words], {
    reject: false,
    stdin: 'ignore',
    timeout: 30_000,
    env: { PATH: process.env.PATH, HOME: home, TCOLIMA_HOME: home },
    extendEnv: false,
  })
}

describe('logs', () => {
  it.each([
    ['docker', ['-u', 'docker.service']],
    ['kubelet', ['-u', 'kubelet.service', '-u', 'k3s.service']],
  ])("%s comes from the guest's journal", async (source, units) => {
    guest.program('journalctl', 'printf "%s\\n" "$*"; printf "\\033[31mred\\n"')
    const result = await tcolima('logs', '--source', source, '-n', '5')
    expect(result.stdout.split('\n')).toEqual([`--no-pager -n 5 ${units.join(' ')}`, 'red'])
  })

  it('--follow goes on until it is ended', async () => {
    guest.program('journalctl', 'case "$*" in *-f) echo first; sleep 0.3; echo second; exec sleep 60 ;; esac')
    const child = tcolima('logs', '-f', '--source', 'docker')
    let seen = ''
    child.stdout.on('data', (chunk: Buffer) => (seen += chunk.toString()))
    await expect.poll(() => seen, { timeout: 10_000 }).toBe('first\nsecond\n')
    child.kill('SIGINT')
    await child
  })

  it('refuses a source there is not', async () => {
    const result = await tcolima('logs', '--source', 'x')
    expect([result.exitCode, result.stderr]).toEqual([
      2,
      expect.stringContaining('agent, qemu, serial, docker, containerd, podman, kubelet'),
    ])
  })
})

describe('events', () => {
  it('tells what there is, then each change, of all machines', async () => {
    const child = tcolima('events', '--json')
    const events: string[] = []
    child.stdout.on('data', (chunk: Buffer) => {
      for (const line of chunk.toString().trim().split('\n')) {
        const { time, name, type, action, mount } = JSON.parse(line) as Record<string, string> & {
          mount?: { mountPoint: string }
        }
        expect(time).toMatch(/^\d{4}-.*Z$/)
        events.push([name, type, action, ...(mount ? [mount.mountPoint] : [])].join(' '))
      }
    })
    const seen = (event: string) => expect.poll(() => events, { timeout: 15_000 }).toContain(event)
    await seen('default machine running')
    await seen('default mount mounted /m')
    await expect.poll(() => ports, { timeout: 10_000 }).toBeDefined()
    const port = { hostAddress: '0.0.0.0', hostPort: 80, guestAddress: '', guestPort: 80, proto: 'tcp' }
    ports?.({ type: 'added', port })
    await seen('default port added')
    mounts = []
    await seen('default mount removed /m')
    mkdirSync(path.join(home, 'new'))
    writeFileSync(path.join(home, 'new', 'tcolima.yaml'), '')
    await seen('new machine stopped')
    rmSync(path.join(home, 'new'), { recursive: true })
    await seen('new machine deleted')
    child.kill('SIGINT')
    expect(await child).toMatchObject({ exitCode: 130, stderr: '' })
  })

  it('of one machine, as lines', async () => {
    mkdirSync(path.join(home, 'other'))
    writeFileSync(path.join(home, 'other', 'tcolima.yaml'), '')
    const child = tcolima('events', 'other')
    let seen = ''
    child.stdout.on('data', (chunk: Buffer) => (seen += chunk.toString()))
    await expect.poll(() => seen, { timeout: 10_000 }).toMatch(/^\S+Z other machine stopped\n$/)
    child.kill('SIGTERM')
    await child
    expect((await tcolima('events', 'nosuch')).exitCode).toBe(3)
  })
})

describe('update', () => {
  beforeEach(() => {
    const state = path.join(home, 'updated')
    guest.program('apt-get', `echo "$*" >>'${state}.calls'; case "$*" in *install*) : >'${state}' ;; esac`)
    guest.program(
      'dpkg-query',
      `printf 'docker.io\\t%s\\nrunc\\t1\\n' "$(test -e '${state}' && echo 2 || echo 1)"; exit 1`,
    )
  })

  it("brings the engine's packages to their newest versions, and says which", async () => {
    const result = await tcolima('update')
    expect([result.exitCode, result.stderr]).toEqual([0, expect.stringContaining('docker.io: 1 -> 2')])
    expect(guest.commands.map((command) => command.join(' '))).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/apt-get -q -y .*update$/),
        expect.stringMatching(/apt-get -q -y .*install --only-upgrade .*docker\.io/),
      ]),
    )
    const again = await tcolima('up', '--json')
    const last = again.stdout.split('\n').at(-1) ?? ''
    expect(JSON.parse(last)).toMatchObject({ type: 'done', name: 'tcolima', updated: {} })
  })

  it('says what apt says', async () => {
    guest.program('apt-get', 'echo "E: no network" >&2; exit 100')
    const result = await tcolima('update')
    expect([result.exitCode, result.stderr]).toEqual([1, expect.stringContaining('E: no network')])
  })
})

describe('status --extended', () => {
  it('names files and processes', async () => {
    const plain = await tcolima('status', '--json')
    const more = await tcolima('status', '-e', '-j')
    expect(JSON.parse(plain.stdout)).not.toHaveProperty('config')
    expect(JSON.parse(more.stdout)).toMatchObject({
      display_name: 'tcolima',
      config: path.join(home, 'default', 'tcolima.yaml'),
      qemu_pid: process.pid,
    })
    expect((await tcolima('status', '-e')).stdout).toContain(`processes:     QEMU ${process.pid}, agent 0`)
  })
})

describe('prune and image', () => {
  const image = (name: string, files: string[]) => {
    const folder = path.join(home, '_images', name)
    mkdirSync(folder, { recursive: true })
    for (const file of files) writeFileSync(path.join(folder, file), 'x'.repeat(10_000))
  }

  beforeEach(() => {
    image('0123456789abcdef', ['root.img', 'image.json'])
    image('fedcba9876543210', ['root.img', 'image.json'])
    image('.build-fedcba9876543210-x', ['root.img'])
    appendFileSync(path.join(home, 'default', 'root.qcow2.old'), 'x')
    const record = {
      version: 1,
      arch: 'x86_64',
      runtime: 'docker',
      imageDigest: '0123456789abcdef',
      user: { name: 'u', uid: 1 },
    }
    writeFileSync(path.join(home, 'default', 'instance.json'), JSON.stringify(record))
  })

  it('list says which machine uses which', async () => {
    const result = await tcolima('image', 'list', '--json')
    const lines = result.stdout.split('\n').map((line) => JSON.parse(line) as object)
    expect(lines).toMatchObject([
      { name: '.build-fedcba9876543210-x', whole: false, machines: [] },
      { name: '0123456789abcdef', whole: true, machines: ['default'] },
      { name: 'fedcba9876543210', whole: true, machines: [] },
    ])
    expect((await tcolima('image', 'ls')).stdout).toContain('0123456789abcdef')
  })

  it.each([
    [['prune', '--force'], true],
    [['prune', '--force', '--all'], false],
    [['image', 'prune', '--force'], true],
  ])('%j removes what nothing uses', async (words, kept) => {
    const result = await tcolima(...words, '--json')
    expect(JSON.parse(result.stdout)).toMatchObject({ type: 'done' })
    const images = readdirSync(path.join(home, '_images')).filter((name) => !name.endsWith('.lock'))
    expect(images).toEqual(['0123456789abcdef'])
    expect(readdirSync(path.join(home, 'default')).includes('root.qcow2.old')).toBe(kept)
  })

  it('remove takes one image away, and none that a machine uses or that is not there', async () => {
    const names = () => readdirSync(path.join(home, '_images')).filter((name) => !name.endsWith('.lock'))
    const before = names()
    for (const [words, exitCode, message] of [
      [['0123456789abcdef'], 1, /image 0123456789abcdef is used by default/],
      [['0123'], 3, /there is no image 0123\n.*tcolima image list/s],
      [['../default'], 3, /there is no image \.\.\/default/],
      [[], 2, /which image/],
    ] as const) {
      expect(await tcolima('image', 'remove', ...words)).toMatchObject({
        exitCode,
        stderr: expect.stringMatching(message) as string,
      })
    }
    expect(names()).toEqual(before)
    const removed = await tcolima('image', 'rm', 'fedcba9876543210', '--json')
    expect(JSON.parse(removed.stdout)).toMatchObject({ type: 'done', removed: ['fedcba9876543210'] })
    expect(names()).toEqual(before.filter((name) => name !== 'fedcba9876543210'))
  })

  it('needs a yes, and is sure of what it removes', async () => {
    expect(await tcolima('prune')).toMatchObject({ exitCode: 2 })
    mkdirSync(path.join(home, 'broken'))
    writeFileSync(path.join(home, 'broken', 'instance.json'), '{')
    const result = await tcolima('prune', '--force')
    expect([result.exitCode, result.stderr]).toEqual([1, expect.stringContaining('broken')])
    expect(readdirSync(path.join(home, '_images'))).toContain('fedcba9876543210')
  })
})
