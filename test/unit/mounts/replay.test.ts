import { promises as fs } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { Fx, Fxf, Fxp } from '../../../src/mounts/protocol.ts'
import {
  REPLAY_MODE,
  REPLAY_SIZE,
  REPLAY_TARGET,
  REPLAY_TIMES,
  Replays,
  type ReplayStep,
} from '../../../src/mounts/replay.ts'
import { type Fixture, serve } from './fixture.ts'

async function fixture(writable = true, replays = new Replays()): Promise<Fixture & { replays: Replays }> {
  const served = await serve({ replays, writable })
  await fs.writeFile(path.join(served.root, 'file'), 'content')
  await fs.mkdir(path.join(served.root, 'folder'))
  return { ...served, replays }
}

/** Everything about what is in the share but access times. */
async function snapshot(root: string): Promise<unknown[]> {
  const names = (await fs.readdir(root, { recursive: true })).sort()
  return await Promise.all(
    names.map(async (name) => {
      const { ino, mode, size, mtimeMs, ctimeMs, nlink } = await fs.lstat(path.join(root, name))
      return [name, ino, mode, size, mtimeMs, ctimeMs, nlink]
    }),
  )
}

const status = { NO: Fx.NO_SUCH_FILE, OK: Fx.OK }
const removal: ReplayStep = { act: 'remove', path: '/gone', type: 'file' }
const move: ReplayStep = { act: 'rename', from: '/gone', to: '/file', type: 'file' }

describe.each([true, false])('marked requests never change anything (writable: %s)', (writable) => {
  test('by path and by handle, expected or not', async () => {
    const { client, root, replays } = await fixture(writable)
    const handle = (await client.open('/file', Fxf.READ)).handle ?? ''
    const before = await snapshot(root)
    for (const steps of [[], [{ act: 'modify', path: '/file' }] satisfies ReplayStep[]]) {
      replays.expect(steps)
      const replies = await Promise.all([
        client.path(Fxp.SETSTAT, '/file', { size: REPLAY_SIZE }),
        client.path(Fxp.SETSTAT, '/file', REPLAY_TIMES),
        client.path(Fxp.SETSTAT, '/none', { size: REPLAY_SIZE }),
        client.setHandle(handle, { size: REPLAY_SIZE }),
        client.setHandle(handle, REPLAY_TIMES),
        client.path(Fxp.MKDIR, '/folder', { mode: REPLAY_MODE }),
        client.two(Fxp.SYMLINK, REPLAY_TARGET, '/file'),
      ])
      expect(replies.map((reply) => reply.status)).toEqual(replies.map(() => Fx.OK))
      expect((await client.path(Fxp.MKDIR, '/none', { mode: REPLAY_MODE })).status).toBe(status.NO)
      expect((await client.two(Fxp.SYMLINK, REPLAY_TARGET, '/none')).status).toBe(status.NO)
      const flags = Fxf.WRITE | Fxf.CREAT | Fxf.EXCL | Fxf.TRUNC
      expect((await client.open('/none', flags, { mode: REPLAY_MODE })).status).toBe(status.NO)
      const made = (await client.open('/file', flags, { mode: REPLAY_MODE })).handle ?? ''
      expect((await client.write(made, 0, Buffer.from('x'))).status).not.toBe(Fx.OK)
      replays.settle()
    }
    expect(await snapshot(root)).toEqual(before)
    expect(await fs.readFile(path.join(root, 'file'), 'utf8')).toBe('content')
  })

  test('nothing outside of the share is touched or told', async () => {
    const { client, root, outside, replays } = await fixture(writable)
    await fs.symlink(outside, path.join(root, 'out'))
    replays.expect([{ act: 'modify', path: '/out/secret' }])
    const before = await snapshot(outside)
    const flags = Fxf.WRITE | Fxf.CREAT | Fxf.EXCL
    const replies = await Promise.all([
      client.open('/out/secret', flags, { mode: REPLAY_MODE }),
      client.open('/out/secret', Fxf.WRITE),
      client.path(Fxp.MKDIR, '/out', { mode: REPLAY_MODE }),
      client.path(Fxp.MKDIR, '/out/secret', { mode: REPLAY_MODE }),
      client.two(Fxp.SYMLINK, REPLAY_TARGET, '/out/none'),
    ])
    expect(replies.map((reply) => reply.handle)).toEqual(replies.map(() => undefined))
    expect(await snapshot(outside)).toEqual(before)
  })
})

test('a new file is hidden until it is created, a removed one shown until it is removed', async () => {
  const { client, replays } = await fixture()
  replays.expect([{ act: 'create', path: '/file' }, removal])
  expect((await client.path(Fxp.LSTAT, '/file')).status).toBe(status.NO)
  expect((await client.path(Fxp.LSTAT, '/gone')).attrs?.mode).toBe(0o100755)
  const flags = Fxf.WRITE | Fxf.CREAT | Fxf.EXCL
  expect((await client.open('/file', flags, { mode: REPLAY_MODE })).handle).toBeDefined()
  expect((await client.path(Fxp.LSTAT, '/file')).attrs?.size).toBe(7)
  expect((await client.path(Fxp.REMOVE, '/gone')).status).toBe(Fx.OK)
  expect((await client.path(Fxp.LSTAT, '/gone')).status).toBe(status.NO)
  // Once only: the second one is somebody else's.
  expect((await client.path(Fxp.REMOVE, '/gone')).status).toBe(status.NO)
})

test('a file made anew on the host while its removal is replayed stays', async () => {
  const { client, root, replays } = await fixture()
  for (const step of [removal, move]) {
    replays.expect([step])
    await fs.writeFile(path.join(root, 'gone'), 'new')
    const before = await snapshot(root)
    const reply =
      step === removal
        ? await client.path(Fxp.REMOVE, '/gone')
        : await client.extended('posix-rename@openssh.com', '/gone', '/file')
    expect(reply.status).toBe(Fx.FAILURE)
    expect(await snapshot(root)).toEqual(before)
    replays.settle()
    await fs.unlink(path.join(root, 'gone'))
  }
})

test('also by an agent that comes after, and after the client was given up', async () => {
  const { client, root, top, replays: first } = await fixture(true, new Replays(undefined))
  const file = path.join(top, 'pending')
  const steps = [removal, { act: 'rename', from: '/a', to: '/b', type: 'file' } as const]
  new Replays(file).expect(steps)
  first.expect(steps)
  first.abandon()
  const later = new Replays(file)
  expect(later.leftover).toBe(true)
  for (const replays of [first, later]) {
    const share = replays === first ? client : (await serve({ replays, root })).client
    await fs.writeFile(path.join(root, 'gone'), 'new')
    await fs.writeFile(path.join(root, 'a'), 'new')
    // Neither hidden nor shown: what is said is what is there.
    expect((await share.path(Fxp.LSTAT, '/gone')).attrs?.size).toBe(3)
    const before = await snapshot(root)
    expect((await share.path(Fxp.REMOVE, '/gone')).status).toBe(Fx.FAILURE)
    expect((await share.two(Fxp.RENAME, '/a', '/b')).status).toBe(Fx.FAILURE)
    expect(await snapshot(root)).toEqual(before)
    replays.settle()
    expect((await share.path(Fxp.REMOVE, '/gone')).status).toBe(Fx.OK)
    expect((await share.two(Fxp.RENAME, '/a', '/b')).status).toBe(Fx.OK)
    await fs.unlink(path.join(root, 'b'))
  }
  expect(new Replays(file).leftover).toBe(false)
})

test('a file with nothing to say of it in the pending file is none', async () => {
  const { top } = await fixture()
  const file = path.join(top, 'pending')
  await fs.writeFile(file, '[{"act":"rem')
  expect(new Replays(file).leftover).toBe(false)
})

test('requests of other programs on the same paths are done', async () => {
  const { client, root, replays } = await fixture()
  replays.expect([
    { act: 'modify', path: '/file' },
    { act: 'create', path: '/folder' },
  ])
  const handle = (await client.open('/file', Fxf.READ | Fxf.WRITE)).handle ?? ''
  expect((await client.write(handle, 0, Buffer.from('CON'))).status).toBe(Fx.OK)
  expect((await client.path(Fxp.SETSTAT, '/file', { size: 5 })).status).toBe(Fx.OK)
  expect(await fs.readFile(path.join(root, 'file'), 'utf8')).toBe('CONte')
  expect((await client.two(Fxp.RENAME, '/file', '/.fuse_hidden01')).status).toBe(Fx.OK)
  expect((await client.path(Fxp.REMOVE, '/.fuse_hidden01')).status).toBe(Fx.OK)
})
