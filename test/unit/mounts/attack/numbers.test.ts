import fs from 'node:fs'
import { expect, test } from 'vitest'
import type { ByteWriter } from '../../../../src/mounts/codec-writer.ts'
import { AttrFlag, Fx, Fxf, Fxp, MAX_READ } from '../../../../src/mounts/protocol.ts'
import { outcome, World } from './world.ts'

// The edges of all numbers of the protocol.

const edges64 = [
  0n,
  1n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 53n - 1n,
  2n ** 53n,
].concat([2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n])
const edges32 = [0, 1, MAX_READ, MAX_READ + 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1]

function u64(writer: ByteWriter, value: bigint): ByteWriter {
  return writer.u32(Number(value >> 32n)).u32(Number(value & 0xffffffffn))
}

/** A session with a file of its own open, of 300 KiB. */
async function open(writable = true) {
  const world = new World()
  const attacker = await world.attack(writable)
  if (writable) fs.writeFileSync(`${world.share}/large`, Buffer.alloc(300 * 1024, 'x'))
  const { handle = '' } = await attacker.client.open(
    writable ? '/large' : '/file',
    Fxf.READ | (writable ? Fxf.WRITE : 0),
  )
  return { world, attacker, client: attacker.client, handle }
}

test('READ at every edge, of every length', async () => {
  const { world, attacker, client, handle } = await open()
  for (const offset of edges64) {
    for (const length of edges32) {
      const reply = await client.ask(Fxp.READ, (writer) => u64(writer.text(handle), offset).u32(length))
      const left = Math.max(0, 300 * 1024 - Number(offset))
      const expected = Math.min(length, MAX_READ, left)
      if (expected > 0 || length === 0) expect(reply.data ?? []).toHaveLength(expected)
      else expect([Fx.EOF, Fx.FAILURE]).toContain(reply.status)
    }
    await world.checkAlive(attacker)
  }
})

test('WRITE at every edge', async () => {
  const { world, attacker, client, handle } = await open()
  for (const offset of edges64) {
    fs.writeFileSync(`${world.share}/large`, Buffer.alloc(300 * 1024, 'x'))
    const reply = await client.ask(Fxp.WRITE, (writer) => u64(writer.text(handle), offset).text('abc'))
    expect([Fx.OK, Fx.FAILURE]).toContain(reply.status)
    // Where it says so, it is there, and nowhere else.
    if (reply.status === Fx.OK)
      expect((await client.read(handle, Number(offset), 3)).data?.toString()).toBe('abc')
    else expect((await client.handle(Fxp.FSTAT, handle)).attrs?.size).toBe(300 * 1024)
    await world.checkAlive(attacker)
  }
})

test('sizes', async () => {
  const { world, attacker, client, handle } = await open()
  for (const size of edges64) {
    fs.writeFileSync(`${world.share}/large`, Buffer.alloc(300 * 1024, 'x'))
    const replies = await Promise.all([
      client.ask(Fxp.SETSTAT, (writer) => u64(writer.text('/large').u32(AttrFlag.SIZE), size)),
      client.ask(Fxp.FSETSTAT, (writer) => u64(writer.text(handle).u32(AttrFlag.SIZE), size)),
      client.ask(Fxp.MKDIR, (writer) => u64(writer.text('/made').u32(AttrFlag.SIZE), size)),
      client.ask(Fxp.OPEN, (writer) =>
        u64(
          writer
            .text('/opened')
            .u32(Fxf.WRITE | Fxf.CREAT)
            .u32(AttrFlag.SIZE),
          size,
        ),
      ),
    ])
    for (const { status = Fx.OK } of replies) expect([Fx.OK, Fx.FAILURE]).toContain(status)
    expect([300 * 1024, Number(size)]).toContain((await client.handle(Fxp.FSTAT, handle)).attrs?.size)
    await world.checkAlive(attacker)
  }
})

test('modes', async () => {
  const { world, client, handle, attacker } = await open()
  for (const mode of [0, 1, 0o7777, 0o104777, 0o42777, 0o60666, 2 ** 31, 2 ** 32 - 1]) {
    const set = (writer: ByteWriter, of: string) => void writer.text(of).u32(AttrFlag.PERMISSIONS).u32(mode)
    const kinds = ['/large', '/dir', '/fifo', '/socket', '/new', '/made'].map(
      (name) => `${world.share}${name}`,
    )
    await client.ask(Fxp.MKDIR, (writer) => set(writer, '/made'))
    await client.open('/new', Fxf.WRITE | Fxf.CREAT, { mode })
    const before = kinds.map((at) => fs.lstatSync(at).mode & 0o170000)
    for (const of of ['/large', '/dir', '/fifo', '/socket'])
      await client.ask(Fxp.SETSTAT, (writer) => set(writer, of))
    await client.ask(Fxp.FSETSTAT, (writer) => set(writer, handle))
    for (const [at, path] of kinds.entries()) {
      const now = fs.lstatSync(path)
      expect(now.mode & 0o170000).toBe(before[at])
      if (!now.isDirectory()) expect(now.mode & 0o6000).toBe(0)
    }
    await world.checkAlive(attacker)
  }
})

test('times and owners', async () => {
  const { world, attacker, client, handle } = await open()
  for (const value of edges32) {
    for (const flag of [AttrFlag.ACMODTIME, AttrFlag.UIDGID]) {
      for (const [type, of] of [
        [Fxp.SETSTAT, '/large'],
        [Fxp.SETSTAT, '/to-file'],
        [Fxp.FSETSTAT, handle],
      ] as const) {
        const reply = await client.ask(type, (writer) => writer.text(of).u32(flag).u32(value).u32(value))
        expect([Fx.OK, Fx.PERMISSION_DENIED, Fx.FAILURE]).toContain(reply.status)
      }
    }
    await world.checkAlive(attacker)
  }
})

test('ATTRS with every flag, with and without the fields they promise', async () => {
  const { world, client, attacker, handle } = await open(false)
  let now = attacker
  for (const behind of [0, 4, 8, 30, 400]) {
    for (let bit = 0; bit <= 32; bit++) {
      const flags = bit === 32 ? 0xffffffff : 2 ** bit
      for (const [type, of] of [
        [Fxp.SETSTAT, '/file'],
        [Fxp.FSETSTAT, handle],
        [Fxp.MKDIR, '/made'],
      ] as const) {
        const asked = now.client.ask(type, (writer) => {
          writer.text(of).u32(flags)
          for (let left = behind; left > 0; left--) writer.u8(0)
        })
        const reply = await outcome(now, asked)
        if (reply === 'ended') now = await world.attack(false)
        else expect(reply.status).toBe(Fx.PERMISSION_DENIED)
      }
    }
  }
  await world.checkAlive(now)
  expect(client).not.toBe(now.client)
})

test('ATTRS that promise more extended pairs than there are', async () => {
  const world = new World()
  for (const count of [1, 2, 1000, 2 ** 31, 2 ** 32 - 1]) {
    for (const [pairs, empty] of [
      [0, true],
      [1, false],
      [1000, true],
      [20_000, true],
    ] as const) {
      const attacker = await world.attack()
      const asked = attacker.client.ask(Fxp.SETSTAT, (writer) => {
        writer.text('/file').u32(AttrFlag.EXTENDED).u32(count)
        for (let left = pairs; left > 0; left--) writer.text(empty ? '' : 'name').text(empty ? '' : 'value')
      })
      const reply = await outcome(attacker, asked)
      if (pairs < count) expect(reply).toBe('ended')
      else expect(reply).toMatchObject({ status: Fx.OK })
    }
  }
})

test('strings that promise more bytes than there are', async () => {
  const world = new World()
  for (const length of edges32) {
    for (const type of [Fxp.LSTAT, Fxp.OPEN, Fxp.WRITE, Fxp.SYMLINK, Fxp.EXTENDED]) {
      const attacker = await world.attack()
      const reply = await outcome(
        attacker,
        attacker.client.ask(type, (writer) => writer.u32(length)),
      )
      if (length === 0 && type === Fxp.LSTAT) expect(reply).toMatchObject({ type: Fxp.ATTRS })
      else if (length === 0 && type === Fxp.EXTENDED) {
        expect(reply).toMatchObject({ status: Fx.OP_UNSUPPORTED })
      } else expect(reply).toBe('ended')
    }
  }
})
