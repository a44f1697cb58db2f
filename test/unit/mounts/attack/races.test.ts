import fs from 'node:fs'
import { expect, test } from 'vitest'
import { Fx, Fxf, Fxp } from '../../../../src/mounts/protocol.ts'
import type { Client, Reply } from '../client.ts'
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
  fs.mkdirSync(`${world.share}/door/folder-Zebra7`)
  const attacker = await world.attack()
  const { handle = '' } = await attacker.client.path(Fxp.OPENDIR, '/door/folder-Zebra7')
  attacker.stream.cork()
  const asked = [
    ...swap(attacker, toLink),
    attacker.client.handle(Fxp.READDIR, handle),
    attacker.client.path(Fxp.LSTAT, '/door/folder-Zebra7'),
    attacker.client.path(Fxp.MKDIR, '/door/folder-Zebra7/x', {}),
  ]
  attacker.stream.uncork()
  const statuses = (await Promise.all(asked)).map(({ status }) => status)
  expect(statuses).toEqual([Fx.OK, Fx.OK, Fx.FAILURE, Fx.PERMISSION_DENIED, Fx.PERMISSION_DENIED])
})

/** Sends requests as long as wanted, each lot when the one before is answered; gives how to stop. */
function keepSending(lot: () => Promise<Reply>[]): () => Promise<void> {
  const stopped = new AbortController()
  const done = (async () => {
    while (!stopped.signal.aborted) await Promise.all(lot())
  })()
  return () => {
    stopped.abort()
    return done
  }
}

/** Two sessions that move names without waiting for each other, so that `/door` changes between any two steps. */
async function moveAbout(world: World): Promise<() => Promise<unknown>> {
  const [one, two] = [await world.attack(), await world.attack()]
  // Not in step: between two moves each waits for ever another number of its own requests.
  const thereAndBack = (mover: Attacker, [from, to]: readonly [string, string], longest: number) => {
    let round = 0
    return keepSending(() => [
      ...swap(mover, [[from, to]]),
      ...Array.from({ length: round++ % longest }, () => mover.client.path(Fxp.LSTAT, from)),
      ...swap(mover, [[to, from]]),
    ])
  }
  const stops = [thereAndBack(one, ['/door', '/folder'], 3), thereAndBack(two, ['/link', '/door'], 5)]
  return () => Promise.all(stops.map((stop) => stop()))
}

/** What a session tries meanwhile: looks side by side, so that much time lies between the check of a path and its use. */
function tries({ client }: Attacker, round: number): Promise<Reply>[] {
  const looks = Array.from({ length: 15 }, () => [
    client.path(Fxp.LSTAT, '/door/secret'),
    client.path(Fxp.STAT, '/door/secret'),
    readAll(client, '/door/secret'),
    list(client, '/door'),
  ])
  return [
    ...looks.flat(),
    client.path(Fxp.SETSTAT, '/door/secret', { mode: 0o600 + (round % 8) }),
    client.path(Fxp.SETSTAT, '/door/secret', { atime: round, mtime: round }),
    client.path(Fxp.MKDIR, `/door/made${round}`, {}),
    client.path(Fxp.RMDIR, `/door/made${round}`),
    client.extended('hardlink@openssh.com', '/door/secret', `/got${round}`),
    client.path(Fxp.REMOVE, `/got${round}`),
  ]
}

async function readAll(client: Client, path: string): Promise<Reply> {
  const reply = await client.open(path, Fxf.READ)
  if (reply.handle === undefined) return reply
  const read = client.read(reply.handle, 0, 100)
  await client.handle(Fxp.CLOSE, reply.handle)
  return read
}

async function list(client: Client, path: string): Promise<Reply> {
  const reply = await client.path(Fxp.OPENDIR, path)
  if (reply.handle === undefined) return reply
  const listed = client.handle(Fxp.READDIR, reply.handle)
  await client.handle(Fxp.CLOSE, reply.handle)
  return listed
}

/** How many of some replies are refusals of a way out, and how many are not errors at all. */
function count(replies: Reply[]): { shut: number; open: number } {
  const shut = replies.filter(({ status }) => status === Fx.PERMISSION_DENIED).length
  return { shut, open: replies.filter(({ status = Fx.OK }) => status === Fx.OK).length }
}

test('sessions of one guest: two move a folder and a link about, one tries to get through, 4000 times', async () => {
  const world = worldWithDoor()
  const stop = await moveAbout(world)
  const trier = await world.attack()
  const met = { shut: 0, open: 0 }
  for (let round = 0; round < 60; round++) {
    const { shut, open } = count(await Promise.all(tries(trier, round)))
    met.shut += shut
    met.open += open
    world.check()
  }
  await stop()
  // Both were met, so they did run against each other.
  expect(Math.min(met.shut, met.open)).toBeGreaterThan(50)
  await world.checkAlive(trier)
})

test('sessions of one guest: one puts a link in a file’s place, others set its attributes, 1200 times', async () => {
  const world = worldWithDoor()
  const [swapper, ...setters] = [await world.attack(), await world.attack(), await world.attack()]
  const { client } = swapper
  fs.writeFileSync(`${world.share}/mine`, 'mine')
  const stop = keepSending(() => [
    client.two(Fxp.SYMLINK, '../outside/secret', '/next'),
    ...swap(swapper, [['/next', '/target']]),
    client.extended('hardlink@openssh.com', '/mine', '/next'),
    ...swap(swapper, [['/next', '/target']]),
  ])
  let done = 0
  for (let round = 0; round < 60; round++) {
    const asked = setters.flatMap((setter) =>
      Array.from({ length: 5 }, () => [
        setter.client.path(Fxp.SETSTAT, '/target', { mode: 0o611 }),
        setter.client.path(Fxp.SETSTAT, '/target', { size: 0 }),
      ]).flat(),
    )
    done += count(await Promise.all(asked)).open
    world.check()
  }
  await stop()
  expect(done).toBeGreaterThan(50)
})

test('sessions whose shares overlap: the root of one moved about by the others', async () => {
  const world = worldWithDoor()
  const inner = await world.attack(true, 'door')
  await inner.client.path(Fxp.LSTAT, '/')
  const stop = await moveAbout(world)
  let shut = 0
  for (let round = 0; round < 60; round++) {
    const asked = Array.from({ length: 5 }, () => [
      inner.client.path(Fxp.LSTAT, '/secret'),
      readAll(inner.client, '/secret'),
      list(inner.client, '/'),
    ]).flat()
    asked.push(
      inner.client.path(Fxp.SETSTAT, '/', { mode: 0o700 }),
      inner.client.path(Fxp.MKDIR, `/made${round}`, {}),
    )
    shut += count(await Promise.all(asked)).shut
    world.check()
  }
  await stop()
  expect(shut).toBeGreaterThan(10)
})
