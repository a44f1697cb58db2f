import fs from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, onTestFinished, test } from 'vitest'
import { Fxf, Fxp } from '../../../../src/mounts/protocol.ts'
import { packet } from '../client.ts'
import { World, type Attacker } from './world.ts'

// More than anyone should ask for: the host's memory stays bounded, and the session serves on.

const init = packet(Fxp.INIT, 3)
const MiB = 1024 * 1024
/** The id of all requests of a flood: none of the client's own. */
const ID = 0xffffffff

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** Bytes that this process holds, without garbage. */
function held(): number {
  // Memory of buffers is given back in the background, at the latest with the next collection.
  collectGarbage()
  collectGarbage()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

/** Sends many packets at once, in chunks as a socket would; the bytes stand in one buffer that is made before. */
function flood({ stream }: Attacker, bytes: Buffer): void {
  for (let at = 0; at < bytes.length; at += 65536) stream.write(bytes.subarray(at, at + 65536))
}

/** Resolves when a session has not taken any request for a while. */
async function stalled({ session }: Attacker): Promise<void> {
  for (let before = -1; session.stats().requests !== before; ) {
    before = session.stats().requests
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

/** Requests that a client could send and then never read the replies of. */
const unread: [string, (handle: string, folder: string) => Buffer][] = [
  [
    'READ of one byte that asks for 256 KiB',
    (handle) =>
      packet(Fxp.READ, ID, (w) =>
        w
          .text(handle)
          .u64(3)
          .u32(2 ** 32 - 1),
      ),
  ],
  [
    'READ past the end',
    (handle) =>
      packet(Fxp.READ, ID, (w) =>
        w
          .text(handle)
          .u64(1000)
          .u32(2 ** 32 - 1),
      ),
  ],
  ['LSTAT', () => packet(Fxp.LSTAT, ID, (w) => w.text('/file'))],
  ['REALPATH of a long name', () => packet(Fxp.REALPATH, ID, (w) => w.text(`/${'x'.repeat(200)}`))],
  ['OPENDIR', () => packet(Fxp.OPENDIR, ID, (w) => w.text('/'))],
  ['READDIR', (_handle, folder) => packet(Fxp.READDIR, ID, (w) => w.text(folder))],
  ['WRITE of nothing', (handle) => packet(Fxp.WRITE, ID, (w) => w.text(handle).u64(0).text(''))],
  ['an unknown type', () => packet(99, ID)],
  ['INIT', () => init],
]

test.each(unread)('20,000 times %s, no reply read', async (_name, request) => {
  const world = new World()
  const attacker = await world.attack()
  const { handle = '' } = await attacker.client.open('/file', Fxf.READ | Fxf.WRITE)
  const { handle: folder = '' } = await attacker.client.path(Fxp.OPENDIR, '/')
  const one = request(handle, folder)
  const bytes = Buffer.alloc(one.length * 20_000, one)
  attacker.stream.pause()
  const before = held()
  flood(attacker, bytes)
  await stalled(attacker)
  expect(attacker.session.stats().requests).toBeLessThan(20_000)
  expect(held() - before).toBeLessThan(24 * MiB)
})

test.each<[string, Buffer]>([
  ['requests on open files', packet(Fxp.FSTAT, ID, (writer) => writer.text('12345678'))],
  ['unknown requests', packet(99, ID)],
  ['INIT', init],
])('behind one request that takes long: 10,000 %s', async (_name, one) => {
  const world = new World()
  const attacker = await world.attack()
  const bytes = Buffer.alloc(one.length * 10_000, one)
  let release = () => {}
  void world.nameLock.run(false, () => new Promise<void>((resolve) => (release = resolve)))
  onTestFinished(() => release())
  const slow = attacker.client.path(Fxp.LSTAT, '/')
  const before = held()
  flood(attacker, bytes)
  await stalled(attacker)
  expect(attacker.session.stats().requests).toBeLessThan(1000)
  expect(attacker.heard.length).toBeLessThan(1000)
  expect(held() - before).toBeLessThan(24 * MiB)
  expect(world.lines.length).toBeLessThan(10)
  release()
  if (one !== init) await slow
  await world.checkAlive(attacker)
})

test('20,000 INITs whose answers are read fill no log', async () => {
  const world = new World()
  const attacker = await world.attack()
  flood(attacker, Buffer.alloc(init.length * 20_000, init))
  await world.checkAlive(attacker)
  expect(world.lines.length).toBeLessThan(10)
})

test('100,000 requests at once, all answered', async () => {
  const world = new World()
  const attacker = await world.attack()
  const kinds = [
    packet(99, ID),
    packet(Fxp.LSTAT, ID, (writer) => writer.text('/file')),
    packet(Fxp.LSTAT, ID, (writer) => writer.text('/to-relative/secret')),
    packet(Fxp.FSTAT, ID, (writer) => writer.text('12345678')),
    packet(Fxp.READ, ID, (writer) => writer.text('12345678').u64(0).u32(1000)),
  ]
  const lot = Buffer.concat([...Array.from({ length: 16 }, () => kinds[0]!), ...kinds.slice(1)])
  const bytes = Buffer.alloc(lot.length * 5000, lot)
  let most = 0
  const before = held()
  let nextLook = 20_000
  attacker.heard.push = () => {
    if (attacker.session.stats().requests < nextLook) return 0
    most = Math.max(most, held() - before)
    return (nextLook += 20_000)
  }
  flood(attacker, bytes)
  await world.checkAlive(attacker)
  expect(attacker.session.stats().requests).toBe(100_001)
  expect(most).toBeLessThan(24 * MiB)
})

test('reads of 4 GiB: each gives what fits, and not much is held', async () => {
  const world = new World()
  fs.truncateSync(`${world.share}/file`, 5 * 1024 ** 3)
  const attacker = await world.attack()
  const { handle = '' } = await attacker.client.open('/file', Fxf.READ)
  attacker.stream.pause()
  const before = held()
  const asked = Array.from({ length: 500 }, (_, n) => attacker.client.read(handle, n * 8 * MiB, 2 ** 32 - 1))
  await stalled(attacker)
  expect(held() - before).toBeLessThan(24 * MiB)
  attacker.heard.push = () => 0
  attacker.stream.resume()
  for (const { data } of await Promise.all(asked)) expect(data).toHaveLength(255 * 1024)
})

test('more folders and files open than allowed, and all closed at the end', async () => {
  const world = new World()
  const attacker = await world.attack()
  const asked = Array.from({ length: 5000 }, (_, n) =>
    n % 2 === 0 ? attacker.client.open('/file', Fxf.READ) : attacker.client.path(Fxp.OPENDIR, '/dir'),
  )
  const opened = (await Promise.all(asked)).filter(({ handle }) => handle !== undefined)
  expect(opened).toHaveLength(attacker.session.stats().openHandles)
  expect(opened.length).toBeLessThan(5000)
  await attacker.client.init()
  await world.checkAlive(attacker)
  expect(attacker.session.stats().openHandles).toBe(0)
})
