import { expect, test } from 'vitest'
import { Fx, Fxp, MAX_PACKET } from '../../../../src/mounts/protocol.ts'
import { packet } from '../client.ts'
import { handleAims, packetOf, pathAims } from './requests.ts'
import { outcome, World } from './world.ts'

// Packets that are no requests, or not yet.

const init = packet(Fxp.INIT, 3)
const known = new Set<number>(Object.values(Fxp))
const unknownTypes = Array.from({ length: 256 }, (_, type) => type).filter(
  (type) => !known.has(type) || type === Fxp.VERSION || (type > 100 && type !== Fxp.EXTENDED),
)

/** Sends bytes to a new session; gives the line it logged when it ended. */
async function lastWords(world: World, bytes: Buffer, end = false): Promise<string | undefined> {
  const before = world.lines.length
  const { session, stream } = world.connect()
  stream.write(bytes)
  if (end) stream.end()
  await session.closed
  expect(session.stats().openHandles).toBe(0)
  expect(world.lines.length).toBeLessThanOrEqual(before + 1)
  return world.lines[before]
}

test('every request, cut short at every byte, ends its session only', async () => {
  const world = new World()
  const other = await world.attack()
  for (const aim of [...pathAims, ...handleAims]) {
    const whole = packetOf(aim, 1, '/file')
    for (let length = 1; length < whole.length - 4; length++) {
      const short = Buffer.from(whole.subarray(0, 4 + length))
      short.writeUInt32BE(length, 0)
      const words = await lastWords(world, Buffer.concat([init, short]))
      expect(words, `${aim.name}, ${length}`).toBe('session ended: the packet is too short')
    }
    world.check(aim.name)
  }
  await world.checkAlive(other)
})

test('every request, with the stream ended at every byte, is never made', async () => {
  const world = new World()
  for (const aim of [...pathAims, ...handleAims]) {
    const whole = packetOf(aim, 1, '/file')
    for (let length = 1; length < whole.length; length++) {
      expect(await lastWords(world, Buffer.concat([init, whole.subarray(0, length)]), true)).toBeUndefined()
    }
  }
})

test.each([0, MAX_PACKET + 1, 2 ** 24, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1])(
  'a packet of %i bytes ends its session',
  async (length) => {
    const world = new World()
    const head = Buffer.alloc(4 + 100, 1)
    head.writeUInt32BE(length, 0)
    expect(await lastWords(world, Buffer.concat([init, head]))).toBe(
      'session ended: impossible packet length',
    )
    expect(await lastWords(world, head)).toBe('session ended: impossible packet length')
  },
)

test('the largest packet is taken, whatever is in it', async () => {
  const world = new World()
  const attacker = await world.attack()
  for (const type of [Fxp.LSTAT, Fxp.EXTENDED, Fxp.WRITE, 99]) {
    const reply = await attacker.client.ask(type, (writer) =>
      writer
        .text('x'.repeat(MAX_PACKET - 30))
        .u64(0)
        .u32(0),
    )
    expect(reply.type).toBe(Fxp.STATUS)
    expect(reply.status).not.toBe(Fx.OK)
  }
  // Bytes behind the last field are let be.
  const padded = await attacker.client.ask(Fxp.LSTAT, (writer) => writer.text('/').text('x'.repeat(200_000)))
  expect(padded.type).toBe(Fxp.ATTRS)
})

test.each([
  ['nothing behind', Buffer.alloc(0)],
  ['zeros', Buffer.alloc(64)],
  ['ones', Buffer.alloc(64, 0xff)],
  ['a path', Buffer.from('\0\0\0\x05/file', 'latin1')],
])('all %s unknown types: refused, and the session goes on', async (_name, behind) => {
  const world = new World()
  const attacker = await world.attack()
  const asked = unknownTypes.map((type) =>
    attacker.client.ask(type, (writer) => {
      for (const byte of behind) writer.u8(byte)
    }),
  )
  expect(unknownTypes.length).toBeGreaterThan(230)
  expect((await Promise.all(asked)).map(({ status }) => status)).toEqual(asked.map(() => Fx.OP_UNSUPPORTED))
  await world.checkAlive(attacker)
})

const extensions = [
  '',
  '\0',
  'posix-rename',
  'posix-rename@openssh.com\0',
  'POSIX-RENAME@OPENSSH.COM',
  'posix-rename@openssh.com@openssh.com',
  'lsetstat@openssh.com',
  'expand-path@openssh.com',
  'copy-data',
  'copy-file',
  'home-directory',
  'limits@openssh.com',
  'users-groups-by-id@openssh.com',
  'vendor-id',
  'check-file',
  'check-file-name',
  'md5-hash',
  'space-available',
  'get-temp-folder',
  'make-temp-folder',
  'text-seek',
  'version-select',
  'newline@vandyke.com',
  'statvfs@openssh.com ',
  '../../statvfs@openssh.com',
  '__proto__',
  'constructor',
  '\xff\xfe',
  'x'.repeat(250_000),
]

test('extensions that are not offered are refused', async () => {
  const world = new World()
  const attacker = await world.attack()
  const fields = [[], ['/file'], ['/file', '/to-relative/secret'], ['../outside/secret', '/got']]
  for (const name of extensions) {
    for (const more of fields) {
      expect((await attacker.client.extended(name, ...more)).status, name).toBe(Fx.OP_UNSUPPORTED)
    }
  }
  await world.checkAlive(attacker)
})

test('a request before INIT ends the session and does nothing', async () => {
  const world = new World()
  for (const aim of [...pathAims, ...handleAims]) {
    const bytes = Buffer.concat([packetOf(aim, 1, '/file'), init, packetOf(aim, 2, '/file')])
    expect(await lastWords(world, bytes), aim.name).toBe('session ended: a request before SSH_FXP_INIT')
  }
})

test('INIT of any version gets version 3', async () => {
  const world = new World()
  for (const version of [0, 1, 2, 3, 4, 6, 2 ** 31, 2 ** 32 - 1]) {
    const attacker = world.connect()
    attacker.stream.write(packet(Fxp.INIT, version, (writer) => writer.text('x@y').text('\xff'.repeat(1000))))
    await world.checkAlive(attacker)
    expect(attacker.client.version?.readUInt32BE(1)).toBe(3)
  }
})

test('an INIT cut short ends the session', async () => {
  const world = new World()
  for (const length of [1, 2, 3, 4]) {
    const short = Buffer.from(init.subarray(0, 4 + length))
    short.writeUInt32BE(length, 0)
    expect(await lastWords(world, short)).toBe('session ended: the packet is too short')
  }
})

test('INIT between all requests: each starts anew, and the last client is served', async () => {
  const world = new World()
  const attacker = await world.attack()
  const parts = pathAims.flatMap((aim, id) => [packetOf(aim, 1000 + id, '/to-relative/secret'), init])
  attacker.stream.write(Buffer.concat([...parts, ...Array.from({ length: 5000 }, () => init)]))
  await world.checkAlive(attacker)
  expect(attacker.session.stats().openHandles).toBe(0)
})

test('one byte at a time', async () => {
  const world = new World()
  const attacker = await world.attack()
  const send = attacker.stream.write.bind(attacker.stream)
  attacker.stream.write = ((bytes: Buffer) => [...bytes].map((byte) => send(Buffer.of(byte)))) as never
  for (const aim of pathAims) {
    const { status } = await attacker.client.ask(aim.type, (writer) =>
      aim.fill(writer, '/to-relative/secret'),
    )
    expect(status).toBe(Fx.PERMISSION_DENIED)
  }
  await world.checkAlive(attacker)
})

test('every type, filled with the same byte, for every byte', async () => {
  const world = new World()
  let attacker = await world.attack(false)
  for (const type of new Set([...pathAims, ...handleAims].map((aim) => aim.type))) {
    for (let byte = 0; byte < 256; byte++) {
      const asked = attacker.client.ask(type, (writer) => {
        writer.text(Buffer.alloc(byte % 3 === 0 ? 40 : 8, byte)).text(Buffer.alloc(400, byte))
      })
      const reply = await outcome(attacker, asked)
      if (reply === 'ended') attacker = await world.attack(false)
      else expect(reply.type).toBeGreaterThan(100)
    }
  }
  await world.checkAlive(attacker)
})
