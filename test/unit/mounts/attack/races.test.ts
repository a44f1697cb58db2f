import fs from 'node:fs'
import { expect, test } from 'vitest'
import { Fx, Fxf, Fxp } from '../../../../src/mounts/protocol.ts'
import type { Reply } from '../client.ts'
import { pathAims } from './requests.ts'
import { type Attacker, World } from './world.ts'

// Names swapped for links while requests on them run. A folder and a link to the outside take turns as `/door`.

const toLink = [
  ['/door', '/folder'],
  ['/link', '/door'],
] as const
const toFolder = [
  ['/door', '/link'],
  ['/folder', '/door'],
] as const

/** A world whose share has `/door`, a folder with a file `secret` of its own, and `/link` to the outside. */
function worldWithDoor(): World {
  const world = new World()
  fs.mkdirSync(`${world.share}/door`)
  fs.writeFileSync(`${world.share}/door/secret`, 'mine')
  fs.symlinkSync('../outside', `${world.share}/link`)
  return world
}

function swap({ client }: Attacker, moves: readonly (readonly [string, string])[]): Promise<Reply>[] {
  return moves.map(([from, to]) => client.extended('posix-rename@openssh.com', from, to))
}

test.each(pathAims)('$name, a link swapped in before and out after it, all in one write', async (aim) => {
  const world = worldWithDoor()
  const attacker = await world.attack()
  for (let round = 0; round < 5; round++) {
    attacker.stream.cork()
    const swaps = swap(attacker, toLink)
    const asked = attacker.client.ask(aim.type, (writer) => aim.fill(writer, '/door/secret'))
    swaps.push(...swap(attacker, toFolder))
    attacker.stream.uncork()
    expect((await asked).status).toBe(Fx.PERMISSION_DENIED)
    for (const { status } of await Promise.all(swaps)) expect(status).toBe(Fx.OK)
  }
})

test('a folder listed while it is swapped, all in one write', async () => {
  const world = worldWithDoor()
  const attacker = await world.attack()
  const { client } = attacker
  for (let round = 0; round < 20; round++) {
    const { handle = '' } = await client.path(Fxp.OPENDIR, '/door')
    attacker.stream.cork()
    const swaps = swap(attacker, toLink)
    const listed = [client.handle(Fxp.READDIR, handle), client.handle(Fxp.READDIR, handle)]
    swaps.push(...swap(attacker, toFolder))
    attacker.stream.uncork()
    for (const { status } of await Promise.all(listed)) expect(status).toBe(Fx.FAILURE)
    await Promise.all(swaps)
    await client.handle(Fxp.CLOSE, handle)
  }
})

test('a folder above swapped, the work some levels below', async () => {
  const world = worldWithDoor()
  fs.mkdirSync(`${world.share}/door/name-Zebra7/deep`, { recursive: true })
  const attacker = await world.attack()
  const { handle = '' } = await attacker.client.path(Fxp.OPENDIR, '/door/name-Zebra7/deep')
  attacker.stream.cork()
  const asked = [
    ...swap(attacker, toLink),
    attacker.client.handle(Fxp.READDIR, handle),
    attacker.client.path(Fxp.LSTAT, '/door/name-Zebra7/deep'),
    attacker.client.path(Fxp.MKDIR, '/door/name-Zebra7/deep/x'),
  ]
  attacker.stream.uncork()
  const statuses = (await Promise.all(asked)).map(({ status }) => status)
  expect(statuses).toEqual([Fx.OK, Fx.OK, Fx.FAILURE, Fx.PERMISSION_DENIED, Fx.PERMISSION_DENIED])
})

/** What one session tries while the other swaps; each gives its reply. */
function tries({ client }: Attacker, round: number): Promise<Reply>[] {
  return [
    client.open('/door/secret', Fxf.READ).then(async (reply) => {
      if (reply.handle === undefined) return reply
      const [data] = await Promise.all([
        client.read(reply.handle, 0, 100),
        client.handle(Fxp.CLOSE, reply.handle),
      ])
      expect(data.data?.toString()).toBe('mine')
      return reply
    }),
    client.path(Fxp.OPENDIR, '/door').then(async (reply) => {
      if (reply.handle === undefined) return reply
      const [listed] = await Promise.all([
        client.handle(Fxp.READDIR, reply.handle),
        client.handle(Fxp.CLOSE, reply.handle),
      ])
      return listed
    }),
    client.path(Fxp.LSTAT, '/door/secret'),
    client.path(Fxp.STAT, '/door/secret'),
    client.path(Fxp.SETSTAT, '/door/secret', { mode: 0o600 + (round % 8) }),
    client.path(Fxp.SETSTAT, '/door/secret', { atime: round, mtime: round }),
    client.open(`/door/new${round}`, Fxf.WRITE | Fxf.CREAT).then(async (reply) => {
      if (reply.handle !== undefined) await client.handle(Fxp.CLOSE, reply.handle)
      return reply
    }),
    client.path(Fxp.REMOVE, `/door/new${round}`),
    client.path(Fxp.MKDIR, `/door/made${round}`, {}),
    client.path(Fxp.RMDIR, `/door/made${round}`),
    client.extended('hardlink@openssh.com', '/door/secret', `/got${round}`),
    client.path(Fxp.REMOVE, `/got${round}`),
  ]
}

test('two sessions of one guest: one swaps, the other tries, thousands of times', async () => {
  const world = worldWithDoor()
  const [swapper, trier] = [await world.attack(), await world.attack()]
  let open = 0
  let shut = 0
  let trying = true
  const swapping = (async () => {
    while (trying) await Promise.all([...swap(swapper, toLink), ...swap(swapper, toFolder)])
  })()
  for (let round = 0; round < 250; round++) {
    for (const { status } of await Promise.all(tries(trier, round))) {
      if (status === undefined || status === Fx.OK) open++
      else shut++
    }
    world.check()
  }
  trying = false
  await swapping
  // Both were met, so the two did run against each other.
  expect(open).toBeGreaterThan(50)
  expect(shut).toBeGreaterThan(50)
  await world.checkAlive(trier)
})

test('two sessions whose shares overlap: the root of one swapped by the other', async () => {
  const world = worldWithDoor()
  const outer = await world.attack()
  const inner = await world.attack(true, 'door')
  await inner.client.path(Fxp.LSTAT, '/')
  let trying = true
  let shut = 0
  const swapping = (async () => {
    while (trying) await Promise.all([...swap(outer, toLink), ...swap(outer, toFolder)])
  })()
  for (let round = 0; round < 200; round++) {
    const replies = await Promise.all([
      inner.client.path(Fxp.LSTAT, '/'),
      inner.client.path(Fxp.LSTAT, '/secret'),
      inner.client.path(Fxp.OPENDIR, '/'),
      inner.client.open('/secret', Fxf.READ | Fxf.WRITE),
      inner.client.path(Fxp.SETSTAT, '/', { mode: 0o700 }),
      inner.client.path(Fxp.MKDIR, `/made${round}`, {}),
    ])
    for (const { handle } of replies) if (handle !== undefined) await inner.client.handle(Fxp.CLOSE, handle)
    shut += replies.filter(({ status }) => status === Fx.PERMISSION_DENIED).length
    world.check()
  }
  trying = false
  await swapping
  expect(shut).toBeGreaterThan(10)
})
