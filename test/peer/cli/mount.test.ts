import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import type { Server } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { execa } from 'execa'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { AgentRequest } from '../../../src/agent/api.ts'
import { fakeAgent, runningInstance, send } from './fake-agent.ts'

const main = path.resolve(import.meta.dirname, '../../../dist/main.cjs')

let home: string
let shared: string
let server: Server | undefined

beforeEach(() => {
  home = realpathSync(mkdtempSync(path.join(tmpdir(), 'tcolima-mount-')))
  shared = path.join(home, 'src')
  mkdirSync(shared)
})

afterEach(() => {
  server?.close()
  server = undefined
  rmSync(home, { recursive: true, force: true })
})

async function mount(...args: string[]) {
  return await execa(process.execPath, [main, 'mount', ...args], {
    cwd: home,
    reject: false,
    stdin: 'ignore',
    timeout: 30_000,
    env: { PATH: process.env.PATH, HOME: home, TCOLIMA_HOME: home, TCOLIMA_PROFILE: 'work' },
    extendEnv: false,
  })
}

const mounts = [
  { location: '/src', mountPoint: '/a', writable: true, state: 'mounted', detail: '' },
  { location: '/src', mountPoint: '/b', writable: false, state: 'failed', detail: 'no sshfs' },
  { location: '/a', mountPoint: '/c', writable: false, state: 'mounted', detail: '' },
]

/** A running machine whose agent writes down what it is asked to change. */
async function running(): Promise<AgentRequest[]> {
  const asked: AgentRequest[] = []
  const folder = runningInstance(home, 'work')
  server = await fakeAgent(path.join(folder, 'agent.sock'), (socket, request) => {
    if (request.method === 'status')
      send(socket, { result: { phase: 'running', mounts, ports: [], sockets: {} } })
    else {
      asked.push(request)
      send(socket, { result: {} })
    }
    socket.end()
  })
  return asked
}

/** A stopped machine with settings; gives their file. */
function stopped(text: string): string {
  const file = path.join(home, 'work', 'tcolima.yaml')
  mkdirSync(path.dirname(file))
  writeFileSync(file, text)
  return file
}

describe('list', () => {
  it('shows what the agent says, for people and for programs; the profile may be named behind it', async () => {
    await running()
    const text = await mount('list')
    expect([text.exitCode, text.stdout.split('\n')]).toEqual([
      0,
      [
        'MOUNT POINT  LOCATION  MODE       STATE',
        '/a           /src      writable   mounted',
        '/b           /src      read-only  failed no sshfs',
        '/c           /a        read-only  mounted',
      ],
    ])
    const json = await mount('ls', 'work', '--json')
    expect(json.stdout.split('\n').map((line) => JSON.parse(line) as unknown)).toEqual(mounts)
    expect((await mount('list', 'other')).exitCode).toBe(3)
  })

  it('of a stopped machine shows its settings', async () => {
    stopped('mounts:\n  - location: /x\n')
    const json = await mount('list', '--json')
    expect(JSON.parse(json.stdout)).toMatchObject({ mountPoint: '/x', state: 'stopped' })
  })
})

describe('add', () => {
  it('hands the settled mount to the agent', async () => {
    const asked = await running()
    const added = await mount('add', 'src:/mnt/src:w', '--save')
    expect([added.exitCode, added.stderr]).toEqual([0, '/mnt/src is mounted'])
    const spec = { location: shared, mountPoint: '/mnt/src', writable: true }
    expect(asked).toEqual([{ method: 'addMount', params: { mount: spec, save: true } }])
    expect(JSON.parse((await mount('add', shared, '--json')).stdout)).toMatchObject({ mountPoint: shared })
    expect(asked[1]).toMatchObject({ params: { save: false } })
  })

  it.each([
    ['a place the guest needs', ['add', '.:/etc'], 2, 'nothing can be mounted at /etc'],
    ['a folder that is not there', ['add', './gone'], 2, 'there is no such folder'],
    ['a form there is not', ['add', '.:relative'], 2, 'the folder must have the form'],
    ['no folder', ['add'], 2, 'add DIR'],
    ['an action there is not', ['mend'], 2, 'none of list, add and remove'],
  ])('%s is refused before the agent is asked', async (_, args, code, message) => {
    const asked = await running()
    const result = await mount(...args)
    expect([result.exitCode, result.stderr, asked]).toEqual([code, expect.stringContaining(message), []])
  })

  it('a stopped machine: only into its settings, whose comments stay', async () => {
    const file = stopped('mounts: # all\n  - location: /x # one\n')
    const refused = await mount('add', 'src')
    expect([refused.exitCode, refused.stderr]).toEqual([3, expect.stringContaining('--save')])
    const saved = await mount('add', 'src', '--save')
    expect([saved.exitCode, saved.stderr]).toEqual([0, `${shared} is mounted at the next start`])
    expect(readFileSync(file, 'utf8')).toBe(
      `mounts: # all\n  - location: /x # one\n  - location: ${shared}\n    writable: false\n`,
    )
    expect(existsSync(path.join(home, 'work', 'lock'))).toBe(false)
    const again = await mount('add', 'src', '--save')
    expect([again.exitCode, again.stderr]).toEqual([
      2,
      expect.stringContaining('is the place of a mount already'),
    ])
  })
})

describe('remove', () => {
  it.each([
    ['/b', '/b'],
    // The place in the guest comes before the folder on the host.
    ['/a', '/a'],
  ])('%s is the mount at %s', async (word, mountPoint) => {
    const asked = await running()
    const removed = await mount('remove', word, '--force', '--save')
    expect([removed.exitCode, removed.stderr]).toEqual([0, `${mountPoint} is removed`])
    expect(asked).toEqual([{ method: 'removeMount', params: { mountPoint, force: true, save: true } }])
  })

  it('a folder that is mounted twice, or not at all, is not guessed', async () => {
    const asked = await running()
    const twice = await mount('remove', '/src')
    expect([twice.exitCode, twice.stderr]).toEqual([2, expect.stringContaining('/a, /b: name one of them')])
    const none = await mount('rm', '/nothing')
    expect([none.exitCode, none.stderr, asked]).toEqual([2, expect.stringContaining('is not mounted'), []])
  })

  it('a stopped machine: only from its settings', async () => {
    const file = stopped('mounts:\n  - location: /x # one\n  - location: /y\ncpu: 1\n')
    expect((await mount('remove', '/x')).exitCode).toBe(3)
    expect((await mount('remove', '/x', '--save')).exitCode).toBe(0)
    expect(readFileSync(file, 'utf8')).toBe('mounts:\n  - location: /y\ncpu: 1\n')
  })
})
