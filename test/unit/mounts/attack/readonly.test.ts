import { expect, test } from 'vitest'
import { writeAttrs } from '../../../../src/mounts/codec-attrs.ts'
import { Fx, Fxf, Fxp } from '../../../../src/mounts/protocol.ts'
import { pathAims } from './requests.ts'
import { World } from './world.ts'

// A share served read-only, by a client that does not care. What has to stay as it is `World` looks after.

const targets = [
  '/file',
  '/dir',
  '/dir/file',
  '/new',
  '/dir/new',
  '/fifo',
  '/socket',
  '/to-file',
  '/loop',
  '/',
  '',
]

test.each(targets)('every change of %j is refused', async (target) => {
  const world = new World()
  const attacker = await world.attack(false)
  for (const aim of pathAims.filter(({ changes }) => changes)) {
    const { status } = await attacker.client.ask(aim.type, (writer) => aim.fill(writer, target))
    expect(status, aim.name).toBe(Fx.PERMISSION_DENIED)
    world.check(aim.name)
  }
  await world.checkAlive(attacker)
})

test('OPEN with every combination of flags opens nothing to write', async () => {
  const world = new World()
  const attacker = await world.attack(false)
  const { client } = attacker
  const writing = Fxf.WRITE | Fxf.APPEND | Fxf.CREAT | Fxf.TRUNC
  for (const target of ['/file', '/new', '/dir', '/fifo', '/to-file']) {
    for (let pflags = 0; pflags < 128; pflags++) {
      const reply = await client.open(target, pflags, { mode: 0o7777, size: 0 })
      if (pflags & writing) expect(reply.status).toBe(Fx.PERMISSION_DENIED)
      if (reply.handle !== undefined) {
        expect(target).toBe('/file')
        expect((await client.write(reply.handle, 0, 'x')).status).toBe(Fx.PERMISSION_DENIED)
        await client.handle(Fxp.CLOSE, reply.handle)
      }
    }
  }
  for (const pflags of [2 ** 31, 2 ** 32 - 1, 0xffffff00 | Fxf.READ]) {
    const { handle } = await client.open('/file', pflags >>> 0)
    if (handle !== undefined) expect((await client.write(handle, 0, 'x')).status).toBe(Fx.PERMISSION_DENIED)
  }
  await world.checkAlive(attacker)
})

test.each([
  ['size', { size: 0 }],
  ['a greater size', { size: 1000 }],
  ['mode', { mode: 0o777 }],
  ['times', { atime: 1, mtime: 2 }],
  ['owner', { uid: 1, gid: 1 }],
  ['the owner it has', { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }],
  ['nothing', {}],
  ['all', { size: 0, mode: 0, atime: 0, mtime: 0, uid: 0, gid: 0 }],
])('a handle opened to read sets no %s', async (_name, attrs) => {
  const world = new World()
  const attacker = await world.attack(false)
  const { client } = attacker
  const { handle = '' } = await client.open('/file', Fxf.READ)
  const folder = (await client.path(Fxp.OPENDIR, '/dir')).handle ?? ''
  for (const of of [handle, folder]) {
    const asked = client.ask(Fxp.FSETSTAT, (writer) => writeAttrs(writer.text(of), attrs))
    expect((await asked).status).toBe(Fx.PERMISSION_DENIED)
    expect((await client.write(of, 0, '')).status).toBe(Fx.PERMISSION_DENIED)
    expect((await client.write(of, 2 ** 40, 'x')).status).toBe(Fx.PERMISSION_DENIED)
  }
  // It reads on, and fsync changes nothing.
  expect((await client.extended('fsync@openssh.com', handle)).status).toBe(Fx.OK)
  expect((await client.read(handle, 0, 10)).data?.toString()).toBe('mine')
})

test('changes between many reads, all in one write', async () => {
  const world = new World()
  const attacker = await world.attack(false)
  const { client } = attacker
  const { handle = '' } = await client.open('/file', Fxf.READ)
  attacker.stream.cork()
  const rounds = Array.from({ length: 50 }, () => [
    client.read(handle, 0, 4),
    ...pathAims
      .filter(({ changes }) => changes)
      .map((aim) => client.ask(aim.type, (writer) => aim.fill(writer, '/dir/file'))),
    client.write(handle, 0, 'x'),
  ])
  attacker.stream.uncork()
  for (const [read, ...changes] of await Promise.all(rounds.map((round) => Promise.all(round)))) {
    expect(read?.data?.toString()).toBe('mine')
    for (const { status } of changes) expect(status).toBe(Fx.PERMISSION_DENIED)
  }
})
