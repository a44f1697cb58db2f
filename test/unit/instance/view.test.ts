import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { acquireLock, type Lock } from '../../../src/host/lock.ts'
import { identify, type ProcessId } from '../../../src/host/processes.ts'
import { type InstancePaths, instancePaths } from '../../../src/instance/paths.ts'
import { type InstanceRecord, readRecord, writeRecord } from '../../../src/instance/record.ts'
import { type InstanceState, readState, writeState } from '../../../src/instance/state.ts'
import { listInstances, viewInstance } from '../../../src/instance/view.ts'

let home: string
let paths: InstancePaths
let lock: Lock | undefined
beforeEach(async () => {
  home = await mkdtemp(path.join(os.tmpdir(), 'tcolima-view-'))
  paths = instancePaths(home, 'work')
  await mkdir(paths.folder)
})
afterEach(async () => {
  lock?.release()
  lock = undefined
  await rm(home, { recursive: true, force: true })
})

const alive = identify(process.pid)!
const dead: ProcessId = { pid: process.pid, started: 'in another life' }

const record: InstanceRecord = {
  version: 1,
  arch: 'x86_64',
  runtime: 'docker',
  imageDigest: '0123456789abcdef',
  imageSha256: '00',
  user: { name: 'ann', uid: 1000 },
  mac: '52:54:00:00:00:01',
  hostKey: 'ssh-ed25519 AAAA',
  created: '2026-01-01T00:00:00.000Z',
}

function state(qemu: ProcessId, more: Partial<InstanceState> = {}): InstanceState {
  return {
    version: 1,
    config: { mounts: [] } as unknown as InstanceState['config'],
    accelerator: 'tcg',
    qemu,
    sshPort: 0,
    mounts: [],
    sockets: { qmp: '', guestLink: '', mounts: [] },
    ready: true,
    ...more,
  }
}

/** Makes an instance of the parts given. */
async function make(parts: { config?: string; state?: InstanceState; record?: boolean; lock?: boolean }) {
  if (parts.config !== undefined) await writeFile(paths.config, parts.config)
  if (parts.record !== false) await writeRecord(paths.record, record)
  if (parts.state) await writeState(paths.state, parts.state)
  if (parts.lock) lock = await acquireLock(paths.lock, { purpose: 'agent' })
}

const view = () => viewInstance(home, 'work')

describe('states', () => {
  test.each<[string, Parameters<typeof make>[0], object]>([
    ['never started since its creation', { config: '' }, { status: 'Stopped', agent: false }],
    ['running', { state: state(alive) }, { status: 'Running', agent: false }],
    ['running with its agent', { state: state(alive), lock: true }, { status: 'Running', agent: true }],
    ['booting', { state: state(alive, { ready: false }), lock: true }, { status: 'Starting', agent: true }],
    ['before QEMU', { config: '', lock: true }, { status: 'Starting', agent: true }],
    ['stopped by a command', { state: state(dead, { ready: false }) }, { status: 'Stopped', agent: false }],
    ['QEMU gone', { state: state(dead) }, { status: 'Stopped', reason: 'QEMU is gone' }],
    ['QEMU gone, its agent still there', { state: state(dead), lock: true }, { status: 'Stopped' }],
    [
      'ended by itself',
      { state: state(dead, { ready: false, ended: 'the guest powered off' }) },
      { status: 'Stopped', reason: 'the guest powered off' },
    ],
  ])('%s', async (_, parts, expected) => {
    await make(parts)
    expect(view()).toMatchObject({ name: 'work', record, ...expected })
  })

  test('a stop by a command needs no reason', async () => {
    await make({ state: state(dead, { ready: false }) })
    expect(view()).not.toHaveProperty('reason')
  })

  test('a config only: the machine was not made yet', async () => {
    await make({ config: 'cpu: 2\n', record: false })
    expect(view()).toEqual({ name: 'work', status: 'Stopped', agent: false })
  })

  test('a first start that has only its lock is starting; an empty folder is nothing', async () => {
    expect(view()).toBeUndefined()
    expect(viewInstance(home, 'none')).toBeUndefined()
    await make({ record: false, lock: true })
    expect(view()).toEqual({ name: 'work', status: 'Starting', agent: true })
    lock?.release()
    expect(view()).toBeUndefined()
  })

  test('the lock of a process that is gone holds nothing', async () => {
    await make({})
    await writeFile(paths.lock, JSON.stringify({ owner: dead, purpose: 'agent', token: 'x' }))
    expect(view()).toMatchObject({ status: 'Stopped', agent: false })
  })
})

describe('broken ones are shown, with the reason', () => {
  test.each<[string, () => Promise<unknown>, RegExp]>([
    [
      'binary config',
      async () => writeFile(paths.config, 'cpu: 2\n\0\u0001'),
      /tcolima\.yaml is not a text file/,
    ],
    ['a folder as config', async () => mkdir(paths.config), /EISDIR|directory/],
    [
      'record cut short',
      async () => writeFile(paths.record, '{"version":1'),
      /instance\.json is not valid JSON/,
    ],
    ['empty record', async () => writeFile(paths.record, ''), /instance\.json is not valid JSON/],
    ['a later format', async () => writeFile(paths.record, '{"version":2}'), /another version of tcolima/],
    ['no format at all', async () => writeFile(paths.record, '{}'), /another version of tcolima/],
    [
      'a folder as record',
      async () => {
        await rm(paths.record)
        await mkdir(paths.record)
      },
      /cannot read/,
    ],
  ])('%s', async (_, spoil, reason) => {
    await make({ config: '', state: state(alive) })
    if ((await readdir(paths.folder)).includes('tcolima.yaml')) await rm(paths.config)
    await spoil()
    expect(view()).toMatchObject({ name: 'work', status: 'Broken', reason: expect.stringMatching(reason) })
    expect(listInstances(home)).toHaveLength(1)
  })

  test.skipIf(process.getuid?.() === 0)('a config that may not be read', async () => {
    await make({})
    await writeFile(paths.config, '', { mode: 0 })
    expect(view()).toMatchObject({ status: 'Broken', reason: expect.stringContaining('permission') })
  })

  test.each(['', '{', 'null', '[]', '{"version":2}', '\0'])(
    'a state %j says only that nothing runs',
    async (text) => {
      await make({})
      await writeFile(paths.state, text)
      expect(view()).toEqual({ name: 'work', status: 'Stopped', agent: false, record })
      expect(readState(paths.state)).toBeUndefined()
    },
  )

  test('the record of another version says what to do', async () => {
    await writeFile(paths.record, '{"version":7}')
    expect(() => readRecord(paths.record)).toThrow(
      expect.objectContaining({ code: 'failed', hint: expect.stringContaining('tcolima delete') }),
    )
  })
})

test('list: by name, a broken one among the others; folders of ours, files and links to nowhere are none', async () => {
  for (const name of ['b', 'a', 'C', '_images', '.hidden']) {
    await mkdir(path.join(home, name))
    await writeFile(path.join(home, name, 'tcolima.yaml'), name === 'b' ? '\0' : '')
  }
  await writeFile(path.join(home, 'file'), '')
  await symlink('nowhere', path.join(home, 'link'))
  expect(listInstances(home).map(({ name, status }) => `${name} ${status}`)).toEqual([
    'C Stopped',
    'a Stopped',
    'b Broken',
  ])
  expect(listInstances(path.join(home, 'none'))).toEqual([])
})
