import fs from 'node:fs'
import { expect, test } from 'vitest'
import { Fx, Fxf, Fxp } from '../../../../src/mounts/protocol.ts'
import { type Aim, handleAims } from './requests.ts'
import { type Attacker, World } from './world.ts'

// Handles that are none, or no longer, or another's.

const FILE = '/dir/file'

async function openAt({ client }: Attacker, path: string, pflags = Fxf.READ | Fxf.WRITE): Promise<string> {
  const { handle } = pflags === 0 ? await client.path(Fxp.OPENDIR, path) : await client.open(path, pflags)
  if (handle === undefined) throw new Error(`${path} was not opened`)
  return handle
}

/** Uses a handle in every way, all at once; gives the statuses by the request's name. */
async function use(
  { client }: Attacker,
  handle: string,
  aims = handleAims,
): Promise<Record<string, number | undefined>> {
  const asked = aims.map((aim) => client.ask(aim.type, (writer) => aim.fill(writer, handle)))
  const replies = await Promise.all(asked)
  return Object.fromEntries(aims.map(({ name }, at) => [name, replies[at]?.status]))
}

function all(status: number, aims: Aim[] = handleAims): Record<string, number> {
  return Object.fromEntries(aims.map(({ name }) => [name, status]))
}

function intact(world: World): void {
  expect(fs.readFileSync(`${world.share}${FILE}`, 'utf8')).toBe('mine')
}

test('forged handles of every length from 0 to 300', async () => {
  const world = new World()
  const attacker = await world.attack()
  await openAt(attacker, FILE)
  for (let length = 0; length <= 300; length++) {
    const fill = ['\0', '\xff', 'a'][length % 3] ?? ''
    expect(await use(attacker, fill.repeat(length))).toEqual(all(Fx.FAILURE))
  }
  intact(world)
  await world.checkAlive(attacker)
})

test('a real handle with any bit changed', async () => {
  const world = new World()
  const attacker = await world.attack()
  const real = Buffer.from(await openAt(attacker, FILE), 'latin1')
  for (let bit = 0; bit < real.length * 8; bit++) {
    const forged = Buffer.from(real)
    forged[bit >> 3] = (forged[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    expect(await use(attacker, forged.toString('latin1'))).toEqual(all(Fx.FAILURE))
  }
  intact(world)
})

test.each<[string, (handle: string) => string]>([
  ['less its last byte', (handle) => handle.slice(0, -1)],
  ['less its first byte', (handle) => handle.slice(1)],
  ['and a NUL', (handle) => `${handle}\0`],
  ['behind a NUL', (handle) => `\0${handle}`],
  ['twice', (handle) => handle + handle],
  ['reversed', (handle) => handle.split('').toReversed().join('')],
  ['and 250,000 bytes', (handle) => handle.padEnd(250_000)],
  ['as hexadecimal', (handle) => Buffer.from(handle, 'latin1').toString('hex')],
  ['as a path', () => FILE],
  ['as the number of a descriptor', () => '\0\0\0\x03'],
])('a real handle %s', async (_name, change) => {
  const world = new World()
  const attacker = await world.attack()
  expect(await use(attacker, change(await openAt(attacker, FILE)))).toEqual(all(Fx.FAILURE))
  intact(world)
})

test.each<[string, (attacker: Attacker, world: World, handle: string) => Promise<Attacker>]>([
  [
    'was closed',
    async (attacker, _world, handle) => {
      await attacker.client.handle(Fxp.CLOSE, handle)
      return attacker
    },
  ],
  [
    'is being closed',
    async (attacker, _world, handle) => {
      void attacker.client.handle(Fxp.CLOSE, handle)
      return attacker
    },
  ],
  [
    'was closed, its place taken by another file',
    async (attacker, _world, handle) => {
      await attacker.client.handle(Fxp.CLOSE, handle)
      await openAt(attacker, '/file')
      return attacker
    },
  ],
  [
    'is from before a reset',
    async (attacker) => {
      attacker.session.reset()
      await attacker.client.init()
      return attacker
    },
  ],
  [
    'is from before an INIT',
    async (attacker) => {
      await attacker.client.init()
      return attacker
    },
  ],
  ['is from another session of the same share', async (_attacker, world) => world.attack()],
  [
    'is from another session with as many handles',
    async (_attacker, world) => {
      const other = await world.attack()
      await openAt(other, '/file')
      return other
    },
  ],
  ['is from the writable share, used on the read-only one', async (_attacker, world) => world.attack(false)],
  [
    'is from a session that ended',
    async (attacker, world) => {
      await attacker.session.close()
      return world.attack()
    },
  ],
])('a handle that %s', async (_name, change) => {
  const world = new World()
  for (const [path, pflags] of [
    [FILE, Fxf.READ | Fxf.WRITE],
    ['/dir', 0],
  ] as const) {
    const attacker = await world.attack()
    const handle = await openAt(attacker, path, pflags)
    const user = await change(attacker, world, handle)
    const statuses = await use(user, handle)
    for (const [name, status] of Object.entries(statuses)) {
      expect([Fx.FAILURE, Fx.PERMISSION_DENIED], name).toContain(status)
    }
    await world.checkAlive(user)
  }
  intact(world)
})

test('the read-only share’s handle is none on the writable one', async () => {
  const world = new World()
  const handle = await openAt(await world.attack(false), FILE, Fxf.READ)
  expect(await use(await world.attack(), handle)).toEqual(all(Fx.FAILURE))
})

test('folders are not files, and files not folders', async () => {
  const world = new World()
  const attacker = await world.attack()
  const onFiles = handleAims.filter(({ name }) => name !== 'READDIR' && name !== 'CLOSE')
  expect(await use(attacker, await openAt(attacker, '/dir', 0), onFiles)).toEqual(all(Fx.FAILURE, onFiles))
  const file = await openAt(attacker, FILE)
  expect((await attacker.client.handle(Fxp.READDIR, file)).status).toBe(Fx.FAILURE)
  intact(world)
})

test('a handle allows what it was opened for', async () => {
  const world = new World()
  const attacker = await world.attack()
  const reader = await openAt(attacker, FILE, Fxf.READ)
  expect((await attacker.client.write(reader, 0, 'x')).status).toBe(Fx.FAILURE)
  const cut = attacker.client.ask(Fxp.FSETSTAT, (writer) => writer.text(reader).u32(1).u64(0))
  expect((await cut).status).toBe(Fx.FAILURE)
  const writer = await openAt(attacker, FILE, Fxf.WRITE)
  expect((await attacker.client.read(writer, 0, 10)).status).toBe(Fx.FAILURE)
  intact(world)
})

test('a handle closed by many CLOSEs and used between them, in one write', async () => {
  const world = new World()
  const attacker = await world.attack()
  const handle = await openAt(attacker, FILE, Fxf.READ)
  const asked = []
  attacker.stream.cork()
  for (let n = 0; n < 500; n++)
    asked.push(attacker.client.read(handle, 0, 4), attacker.client.handle(Fxp.CLOSE, handle))
  attacker.stream.uncork()
  const replies = await Promise.all(asked)
  expect(replies[0]?.data?.toString()).toBe('mine')
  expect(replies[1]?.status).toBe(Fx.OK)
  for (const { status } of replies.slice(2)) expect(status).toBe(Fx.FAILURE)
  expect(attacker.session.stats().openHandles).toBe(0)
})
