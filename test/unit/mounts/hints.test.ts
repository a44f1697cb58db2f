import { promises as fs } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { Fx, Fxf, Fxp } from '../../../src/mounts/protocol.ts'
import { Replays } from '../../../src/mounts/replay.ts'
import type { Client, Hint } from './client.ts'
import { serve } from './fixture.ts'
import { relayInit } from './survivor.ts'

async function served(options: { replays?: Replays } = {}) {
  const fixture = await serve(options)
  await fixture.client.init(relayInit(Buffer.alloc(16, 1), false, 0, true))
  const fill = (...names: string[]) =>
    Promise.all(names.map((name) => fs.writeFile(path.join(fixture.root, name), `in ${name}`)))
  return { ...fixture, fill }
}

function told(client: Client): Hint[] {
  return client.hints.splice(0).filter((hint) => hint !== undefined)
}

function paths(client: Client, type: number = Fxp.LSTAT): string[] {
  return told(client)
    .filter((hint) => hint.type === type)
    .map((hint) => hint.path)
    .sort()
}

test('a client that does not take hints gets none', async () => {
  const { client, root } = await serve()
  for (const name of ['a', 'b', 'c']) await fs.writeFile(path.join(root, name), '')
  for (const name of ['/a', '/b']) await client.path(Fxp.LSTAT, name)
  await client.open('/a', Fxf.READ)
  expect(client.hints).toEqual([])
})

test('the second look into a folder tells the rest of it, each name once', async () => {
  const { client, fill } = await served()
  await fill('a', 'b', 'c', 'd')
  await client.path(Fxp.LSTAT, '/a')
  expect(told(client)).toEqual([])
  const real = await client.path(Fxp.LSTAT, '/b')
  const hints = told(client)
  expect(hints.map((hint) => hint.path).sort()).toEqual(['/a', '/c', '/d'])
  expect(hints.every((hint) => hint.id === real.id && hint.rest.length === 0)).toBe(true)
  const asked = await client.path(Fxp.LSTAT, '/c')
  expect(hints.find((hint) => hint.path === '/c')?.reply.attrs).toEqual(asked.attrs)
  // It was told of c: so it has forgotten.
  expect(paths(client)).toEqual(['/a', '/b', '/d'])
})

test('a name that is told and not asked for is not told again at once', async () => {
  const { client, fill } = await served()
  await fill('a', 'b', 'c')
  await client.path(Fxp.LSTAT, '/a')
  await client.path(Fxp.LSTAT, '/b')
  expect(paths(client)).toEqual(['/a', '/c'])
  await client.path(Fxp.LSTAT, '/b')
  expect(paths(client)).toEqual([])
})

test.each([
  { order: 'as sorted', sort: (names: string[]) => names.toSorted() },
  { order: 'as listed', sort: (names: string[]) => names },
])('in a large folder those behind are told: $order', async ({ sort }) => {
  const { client, fill, root } = await served()
  await fill(...Array.from({ length: 300 }, (_, index) => `f${index}`))
  const names = sort(await fs.readdir(root))
  for (const name of names.slice(0, 3)) await client.path(Fxp.LSTAT, `/${name}`)
  const known = new Set(paths(client))
  // The second look told some; the third, twice as many.
  expect(names.slice(3, 30).every((name) => known.has(`/${name}`))).toBe(true)
  expect(known.size).toBeLessThan(110)
})

test('files with two names are not told', async () => {
  const { client, fill, root } = await served()
  await fill('a', 'b', 'c')
  await fs.link(path.join(root, 'c'), path.join(root, 'd'))
  for (const name of ['/a', '/b']) await client.path(Fxp.LSTAT, name)
  expect(paths(client)).toEqual(['/a'])
})

test('the second look in vain tells all names of the folder', async () => {
  const { client, fill } = await served()
  await fill('a', 'b')
  await client.path(Fxp.LSTAT, '/x')
  expect(told(client)).toEqual([])
  const real = await client.path(Fxp.LSTAT, '/y')
  expect(real.status).toBe(Fx.NO_SUCH_FILE)
  const hints = told(client)
  expect(hints).toMatchObject([{ id: real.id, path: '/', type: Fxp.OPENDIR, reply: { type: Fxp.NAME } }])
  expect(hints[0]?.reply.all?.toSorted()).toEqual(['a', 'b'])
  // It knows, or has its reasons not to.
  await client.path(Fxp.LSTAT, '/y')
  expect(told(client)).toEqual([])
})

test('deep paths do not make a packet of hints that the client does not take', async () => {
  const { client, root } = await served()
  const deep = Array.from({ length: 16 }, () => 'd'.repeat(240)).join('/')
  await fs.mkdir(path.join(root, deep), { recursive: true })
  for (let index = 0; index < 100; index++) await fs.writeFile(path.join(root, deep, `f${index}`), '')
  for (const name of ['f0', 'f1']) await client.path(Fxp.LSTAT, `/${deep}/${name}`)
  told(client)
  await client.path(Fxp.LSTAT, `/${deep}/f2`)
  const bytes = told(client).reduce((sum, hint) => sum + hint.path.length, 0)
  expect(bytes).toBeGreaterThan(100_000)
  expect(bytes).toBeLessThan(140_000)
})

/** A replay that begins right after a request was found to belong to none, and while its hints are looked up. */
class Late extends Replays {
  looks = 0
  override get expecting(): boolean {
    const before = super.expecting
    if (++this.looks === 2) this.expect([{ act: 'create', path: '/c' }])
    return before
  }
}

test('hints that were looked up before a replay began are not told', async () => {
  const replays = new Late()
  const { client, fill } = await served({ replays })
  await fill('a', 'b', 'c')
  replays.looks = 2
  await client.path(Fxp.LSTAT, '/a')
  replays.looks = 0
  await client.path(Fxp.LSTAT, '/b')
  expect(replays.looks).toBeGreaterThanOrEqual(2)
  expect(client.hints.splice(0)).toEqual([undefined, undefined])
})

test('of a large folder not all names are told, nor in vain of one that is not there', async () => {
  const { client, fill } = await served()
  await fill(...Array.from({ length: 257 }, (_, index) => `f${index}`))
  for (const name of ['/x', '/y', '/none/x', '/none/y']) await client.path(Fxp.LSTAT, name)
  expect(told(client)).toEqual([])
})

test('an open for reading tells the attributes and the data that the kernel will ask for', async () => {
  const { client, root } = await served()
  await fs.writeFile(path.join(root, 'f'), 'x'.repeat(5000))
  const { handle = '' } = await client.open('/f', Fxf.READ)
  const [attributes, data, ...rest] = told(client)
  expect(rest).toEqual([])
  expect(attributes).toMatchObject({ path: '/f', type: Fxp.LSTAT, reply: { attrs: { size: 5000 } } })
  expect(data).toMatchObject({ path: '/f', type: Fxp.READ })
  expect(data?.rest.subarray(4, 12).toString('latin1')).toBe(handle)
  expect(data?.rest.subarray(12)).toEqual(Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8192 >> 8, 0]))
  expect(data?.reply.data).toEqual((await client.read(handle, 0, 8192)).data)
})

test('a large file comes without its data, an empty one too', async () => {
  const { client, root } = await served()
  await fs.writeFile(path.join(root, 'large'), Buffer.alloc(32 * 1024 + 1))
  await fs.writeFile(path.join(root, 'empty'), '')
  for (const name of ['/large', '/empty']) {
    await client.open(name, Fxf.READ)
    expect(told(client).map((hint) => hint.type)).toEqual([Fxp.LSTAT])
  }
})

test('what is made comes with its attributes, by path and handle, and those of its folder', async () => {
  const { client } = await served()
  await client.path(Fxp.MKDIR, '/sub', { mode: 0o755 })
  const made = told(client)
  expect(made.map((hint) => [hint.type, hint.path])).toEqual([
    [Fxp.LSTAT, '/'],
    [Fxp.LSTAT, '/sub'],
    [Fxp.OPENDIR, '/sub'],
  ])
  expect(made[2]?.reply.all).toEqual([])
  const { handle = '' } = await client.open('/sub/f', Fxf.WRITE | Fxf.CREAT, { mode: 0o600 })
  const hints = told(client)
  expect(hints.map((hint) => [hint.type, hint.path])).toEqual([
    [Fxp.LSTAT, '/sub/f'],
    [Fxp.FSTAT, '/sub/f'],
    [Fxp.LSTAT, '/sub'],
  ])
  expect(hints[1]?.reply.attrs).toEqual((await client.handle(Fxp.FSTAT, handle)).attrs)
})

test('a change of names tells of the folders', async () => {
  const { client, fill } = await served()
  await fill('a', 'b')
  await client.path(Fxp.MKDIR, '/sub', {})
  told(client)
  await client.extended('posix-rename@openssh.com', '/a', '/sub/a')
  expect(paths(client)).toEqual(['/', '/sub'])
  await client.path(Fxp.REMOVE, '/b')
  expect(paths(client)).toEqual(['/'])
  await client.path(Fxp.SETSTAT, '/sub/a', { mode: 0o640 })
  expect(told(client)).toMatchObject([{ path: '/sub/a', reply: { attrs: { mode: 0o100640 } } }])
})

test('what failed tells nothing, and nothing outside is told', async () => {
  const { client, root, outside } = await served()
  await fs.symlink(outside, path.join(root, 'way'))
  for (const name of ['/way/secret', '/way/other']) {
    expect((await client.path(Fxp.LSTAT, name)).status).toBe(Fx.PERMISSION_DENIED)
    expect((await client.open(name, Fxf.READ)).status).toBe(Fx.PERMISSION_DENIED)
  }
  expect(told(client)).toEqual([])
})

test('a replay makes the client forget, and nothing is told until it is through', async () => {
  const replays = new Replays()
  const { client, fill } = await served({ replays })
  await fill('a', 'b')
  replays.expect([{ act: 'create', path: '/b' }])
  await client.path(Fxp.LSTAT, '/a')
  await client.path(Fxp.LSTAT, '/a')
  await client.open('/a', Fxf.READ)
  // At once, and behind what waited.
  expect(client.hints.splice(0)).toEqual([undefined, undefined])
  replays.settle()
  await client.open('/a', Fxf.READ)
  expect(told(client)).toHaveLength(2)
})
