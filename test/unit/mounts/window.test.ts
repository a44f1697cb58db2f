import { randomBytes } from 'node:crypto'
import { promises as fs } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { Fx, Fxf, Fxp, READ_WINDOW, WINDOW, WRITE_WINDOW } from '../../../src/mounts/protocol.ts'
import type { ShareOptions } from '../../../src/mounts/server.ts'
import { makeWindow, SLOT, Window, Windows } from '../../../src/mounts/window.ts'
import { type Client, packet } from './client.ts'
import { connect, serve } from './fixture.ts'
import { relayInit, Survivor } from './survivor.ts'

const CREATE = Fxf.READ | Fxf.WRITE | Fxf.CREAT
const INDEX = 1

/** A session whose mount has a part of a window, and a file of 150,000 bytes in its share. */
async function start(options: Partial<ShareOptions> = {}) {
  const top = await fs.mkdtemp(path.join(os.tmpdir(), 'tcolima-window-'))
  const file = path.join(top, 'window')
  makeWindow(file)
  const windows = Windows.open(file)
  const window = windows.of(INDEX)!
  onTestFinished(async () => {
    windows.close()
    await fs.rm(top, { recursive: true })
  })
  const served = await serve({ window, ...options })
  const content = randomBytes(150_000)
  await fs.writeFile(path.join(served.root, 'f'), content)
  return { ...served, content, file, window, windows }
}

function transfer(
  client: Client,
  name: string,
  handle: string,
  offset: number,
  length: number,
  slot: number,
) {
  return client.ask(Fxp.EXTENDED, (writer) =>
    writer.text(name).text(handle).u64(offset).u32(length).u32(slot),
  )
}

const read = (client: Client, handle: string, offset: number, length: number, slot: number) =>
  transfer(client, READ_WINDOW, handle, offset, length, slot)
const write = (client: Client, handle: string, offset: number, length: number, slot: number) =>
  transfer(client, WRITE_WINDOW, handle, offset, length, slot)

const isEmpty = (bytes: Buffer) => bytes.equals(Buffer.alloc(bytes.length))

/** Where slots of a part lie in the file. */
const placeOf = ({ first }: Window, slot: number) => (first + slot) * SLOT

test('only a client that has the window is told which slots are its mount’s, right behind the nonce', async () => {
  const { root, window } = await start()
  for (const hasWindow of [true, false]) {
    const { client, session } = connect({ root, writable: true, window })
    const init = relayInit(Buffer.alloc(16, 1), false, 0)
    init.writeUInt32BE(hasWindow ? 4 : 0, init.length - 8)
    await client.init(init)
    const name = Buffer.from(WINDOW)
    const at = client.version?.indexOf(name) ?? -1
    expect(at).toBe(hasWindow ? 9 + 14 + 4 + 16 + 4 : -1)
    const data = at + name.length
    const told = [4, 8].map((more) => client.version?.readUInt32BE(data + more))
    if (hasWindow) expect(told).toEqual([window.first, window.slots])
    await session.close()
  }
})

test('what is read stands in the slots, and the reply says how much', async () => {
  const { client, content, file, window } = await start()
  const { handle = '' } = await client.open('/f', Fxf.READ)
  const replies = await Promise.all([
    read(client, handle, 0, 100_000, 0),
    read(client, handle, 100_000, 100_000, 2),
    read(client, handle, 150_000, 1000, 4),
  ])
  expect(replies.map(({ numbers, status }) => numbers?.[0] ?? status)).toEqual([100_000, 50_000, Fx.EOF])
  const bytes = await fs.readFile(file)
  const seen = (slot: number, length: number) =>
    bytes.subarray(placeOf(window, slot), placeOf(window, slot) + length)
  expect(seen(0, 100_000).equals(content.subarray(0, 100_000))).toBe(true)
  expect(seen(2, 50_000).equals(content.subarray(100_000))).toBe(true)
  // Nothing but that.
  const rest = Buffer.concat([seen(2, 4 * SLOT).subarray(50_000), bytes.subarray(0, placeOf(window, 0))])
  expect(isEmpty(rest)).toBe(true)
})

test('what is written is what stands in the slots', async () => {
  const { client, file, root, window } = await start()
  const { handle = '' } = await client.open('/made', CREATE)
  const data = randomBytes(3 * SLOT)
  const shared = await fs.open(file, 'r+')
  await shared.write(data, 0, data.length, placeOf(window, 28))
  expect((await write(client, handle, 10, data.length, 28)).status).toBe(Fx.OK)
  await shared.close()
  const expected = Buffer.concat([Buffer.alloc(10), data])
  expect((await fs.readFile(path.join(root, 'made'))).equals(expected)).toBe(true)
})

test.each([
  [32, 1],
  [31, SLOT + 1],
  [0, 32 * SLOT + 1],
  [1, 2 ** 32 - 1],
  [2 ** 32 - 1, 1],
  [2 ** 32 - 1, 2 ** 32 - 1],
])('from slot %d on %d bytes are not all of this mount: nothing is read or written', async (slot, length) => {
  const { client, content, file, root } = await start()
  const { handle = '' } = await client.open('/f', CREATE)
  expect((await read(client, handle, 0, length, slot)).status).toBe(Fx.OP_UNSUPPORTED)
  expect((await write(client, handle, 0, length, slot)).status).toBe(Fx.OP_UNSUPPORTED)
  expect(isEmpty(await fs.readFile(file))).toBe(true)
  expect((await fs.readFile(path.join(root, 'f'))).equals(content)).toBe(true)
})

test('the edges of all numbers leave the session alive', async () => {
  const { client } = await start()
  const { handle = '' } = await client.open('/f', CREATE)
  const edges = [0, 1, 2 ** 31, 2 ** 32, Number.MAX_SAFE_INTEGER, 2 ** 60]
  for (const offset of edges) {
    for (const length of [0, 1, SLOT, 32 * SLOT])
      expect((await read(client, handle, offset, length, 0)).type).toBeGreaterThan(Fxp.STATUS - 1)
    expect([Fx.OK, Fx.FAILURE]).toContain((await write(client, handle, offset, 0, 0)).status)
  }
  expect((await read(client, 'nothing', 0, 1, 0)).status).toBe(Fx.FAILURE)
  expect((await client.path(Fxp.LSTAT, '/f')).type).toBe(Fxp.ATTRS)
})

test('without a window there are no such requests', async () => {
  const { client } = await serve()
  const { handle = '' } = await client.open('/f', CREATE)
  expect((await read(client, handle, 0, 1, 0)).status).toBe(Fx.OP_UNSUPPORTED)
  expect((await write(client, handle, 0, 1, 0)).status).toBe(Fx.OP_UNSUPPORTED)
})

test('a read-only share stays as it is', async () => {
  const { client, content, root } = await start({ writable: false })
  const { handle = '' } = await client.open('/f', Fxf.READ)
  expect((await write(client, handle, 0, 1000, 0)).status).toBe(Fx.PERMISSION_DENIED)
  expect((await fs.readFile(path.join(root, 'f'))).equals(content)).toBe(true)
})

test('a READ that a new client did not ask for does not come into its slots', async () => {
  const { client, file, session, stream, window } = await start()
  const { handle = '' } = await client.open('/f', Fxf.READ)
  const request = packet(Fxp.EXTENDED, 99, (writer) =>
    writer.text(READ_WINDOW).text(handle).u64(0).u32(1000).u32(0),
  )
  // In one piece: the READ is begun, and its client gone before it is done.
  await client.init(Buffer.concat([request, relayInit(Buffer.alloc(16, 1), false, 0)]))
  const { handle: again = '' } = await client.open('/f', Fxf.READ)
  await read(client, again, 0, 1, 5)
  expect(session.stats().bytesRead).toBe(1001)
  const bytes = await fs.readFile(file)
  expect(isEmpty(bytes.subarray(placeOf(window, 0), placeOf(window, 1)))).toBe(true)
  stream.destroy()
})

test.each([
  ['that cannot be written', 'r', undefined],
  ['that was cut short', 'r+', 0],
] as const)(
  'a window %s: there are no such requests, and files stay as they are',
  async (_what, flags, size) => {
    const { client, content, file, root } = await start()
    const { handle = '' } = await client.open('/f', CREATE)
    const shared = await fs.open(file, flags)
    if (size !== undefined) await fs.truncate(file, size)
    onTestFinished(() => shared.close())
    const other = connect({ root, writable: true, window: new Window(shared.fd, 16, 64) })
    onTestFinished(() => other.session.close())
    await other.client.init(relayInit(Buffer.alloc(16, 1), false, 0))
    const { handle: theirs = '' } = await other.client.open('/f', CREATE)
    if (flags === 'r') expect((await read(other.client, theirs, 0, 1000, 0)).status).toBe(Fx.OP_UNSUPPORTED)
    else expect((await write(other.client, theirs, 0, 1000, 0)).status).toBe(Fx.OP_UNSUPPORTED)
    expect((await other.client.read(theirs, 0, 1000)).data?.equals(content.subarray(0, 1000))).toBe(true)
    expect((await client.read(handle, 0, 1000)).data?.equals(content.subarray(0, 1000))).toBe(true)
  },
)

test('a write that an earlier server did is not done again by one without a window', async () => {
  const survivor = await Survivor.start()
  const opened = survivor.open('/log', Fxf.WRITE | Fxf.CREAT | Fxf.APPEND)
  const { handle = '' } = await survivor.client.send(opened.id, opened.bytes)
  const appended = survivor.write(handle, 0, 'line')
  await survivor.client.send(appended.id, appended.bytes)
  await survivor.nextServer(1)
  const again = packet(Fxp.EXTENDED, appended.id, (writer) =>
    writer.text(WRITE_WINDOW).text(handle).u64(0).u32(4).u32(0),
  )
  expect((await survivor.client.send(appended.id, again)).status).toBe(Fx.OK)
  expect(await fs.readFile(path.join(survivor.root, 'log'), 'utf8')).toBe('line')
})

test('each mount has another part, as far as they go; a file that is not there is none', async () => {
  const { file, windows } = await start()
  const parts = Array.from({ length: 8 }, (_, index) => windows.of(index)!)
  const ends = parts.map(({ first, slots }) => [first, first + slots])
  for (const [index, [first]] of ends.entries()) if (index > 0) expect(first).toBe(ends[index - 1]?.[1])
  // The guest looks at both ends for what a disk may be.
  expect(ends[0]?.[0]).toBeGreaterThanOrEqual(16)
  expect((await fs.stat(file)).size / SLOT - (ends[7]?.[1] ?? 0)).toBeGreaterThanOrEqual(16)
  expect(windows.of(8)).toBeUndefined()
  const none = Windows.open(`${file}-none`)
  expect(none.of(0)).toBeUndefined()
  none.close()
})
