import { promises as fs } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { FifoLock } from '../../../src/mounts/order.ts'
import { Fx, Fxf, Fxp } from '../../../src/mounts/protocol.ts'
import { packet } from './client.ts'
import { connect, serve } from './fixture.ts'

const CREATE = Fxf.READ | Fxf.WRITE | Fxf.CREAT

test('OPEN(CREAT) and LSTAT sent back to back come out in order', async () => {
  const { client } = await serve()
  const asked = []
  for (let n = 0; n < 50; n++) asked.push(client.open(`/f${n}`, CREATE), client.path(Fxp.LSTAT, `/f${n}`))
  const types = (await Promise.all(asked)).map(({ type }) => type)
  expect(types).toEqual(Array.from({ length: 100 }, (_, n) => (n % 2 === 0 ? Fxp.HANDLE : Fxp.ATTRS)))
  expect(client.arrived).toEqual([...client.arrived].sort((a, b) => a - b))
})

test('each request sees what those before it did', async () => {
  const { client } = await serve()
  const { handle = '' } = await client.open('/f', CREATE)
  const [, size, text, , gone, , moved] = await Promise.all([
    client.write(handle, 0, 'abc'),
    client.path(Fxp.LSTAT, '/f'),
    client.read(handle, 0, 10),
    client.extended('posix-rename@openssh.com', '/f', '/g'),
    client.path(Fxp.LSTAT, '/f'),
    client.write(handle, 3, 'def'),
    client.path(Fxp.LSTAT, '/g'),
  ])
  expect(size?.attrs?.size).toBe(3)
  expect(text?.data?.toString()).toBe('abc')
  expect(gone?.status).toBe(Fx.NO_SUCH_FILE)
  expect(moved?.attrs?.size).toBe(6)
})

test('CLOSE sent right behind READs does not take the file from them', async () => {
  const { client, root } = await serve()
  await fs.writeFile(path.join(root, 'f'), Buffer.alloc(1 << 20, 1))
  const { handle = '' } = await client.open('/f', Fxf.READ)
  const reads = Array.from({ length: 16 }, (_, n) => client.read(handle, n * 65536, 65536))
  const closed = client.handle(Fxp.CLOSE, handle)
  for (const reply of await Promise.all(reads)) expect(reply.data).toHaveLength(65536)
  expect((await closed).status).toBe(Fx.OK)
})

test.each([
  ['an impossible length', Buffer.from([0xff, 0xff, 0xff, 0xff, 1])],
  ['an empty packet', Buffer.from([0, 0, 0, 0])],
  ['a truncated request', packet(Fxp.OPEN, 1, (writer) => writer.u32(1000))],
])('%s ends the session and closes its handles', async (_name, bytes) => {
  const lines: string[] = []
  const { client, session, stream } = await serve({ log: (line) => lines.push(line) })
  await client.open('/f', CREATE)
  stream.write(bytes)
  await session.closed
  await client.ended
  expect(session.stats().openHandles).toBe(0)
  expect(lines).toHaveLength(1)
})

test('a request before INIT ends the session', async () => {
  const { session, stream } = connect({ root: '/', writable: false })
  stream.write(packet(Fxp.LSTAT, 1, (writer) => writer.text('/')))
  await session.closed
})

test('an INIT at any time starts anew', async () => {
  const { client, session } = await serve()
  const { handle = '' } = await client.open('/f', CREATE)
  await client.init()
  expect((await client.write(handle, 0, 'x')).status).toBe(Fx.FAILURE)
  expect(session.stats().openHandles).toBe(0)
  expect((await client.open('/f', Fxf.READ)).type).toBe(Fxp.HANDLE)
})

test('reset passes over what a dead client left half sent', async () => {
  const { client, session, stream, root } = await serve()
  const { handle = '' } = await client.open('/f', CREATE)
  stream.write(
    packet(Fxp.WRITE, 9, (writer) => writer.text(handle).u64(0).text('x'.repeat(1000))).subarray(0, 500),
  )
  await new Promise((resolve) => setImmediate(resolve))
  session.reset()
  stream.write(Buffer.alloc(400, 1))
  await client.init()
  expect(session.stats().openHandles).toBe(0)
  expect((await client.path(Fxp.LSTAT, '/f')).attrs?.size).toBe(0)
  expect(await fs.readdir(root)).toEqual(['f'])
})

test('the end of the stream answers what was asked, then closes all', async () => {
  const { client, session, stream } = await serve()
  const { handle = '' } = await client.open('/f', CREATE)
  const written = client.write(handle, 0, 'last')
  stream.end()
  expect((await written).status).toBe(Fx.OK)
  await session.closed
  expect(session.stats().openHandles).toBe(0)
})

test('close ends the session with requests at work, and again does nothing', async () => {
  const { client, session } = await serve()
  for (let n = 0; n < 20; n++) void client.open(`/f${n}`, CREATE)
  await new Promise((resolve) => setImmediate(resolve))
  await Promise.all([session.close(), session.close()])
  await session.closed
  session.reset()
  expect(session.stats().openHandles).toBe(0)
})

test('a client that does not read stops being served', async () => {
  const { client, session, stream, root } = await serve()
  await fs.writeFile(path.join(root, 'f'), Buffer.alloc(1 << 20))
  const { handle = '' } = await client.open('/f', Fxf.READ)
  stream.pause()
  for (let n = 0; n < 2000; n++) void client.read(handle, 0, 65536)
  await new Promise((resolve) => setTimeout(resolve, 300))
  expect(session.stats().bytesRead).toBeLessThan(9 << 20)
  const last = client.read(handle, 0, 1)
  stream.resume()
  expect((await last).data).toHaveLength(1)
})

test('a lock runs shared jobs together and exclusive ones alone, in order', async () => {
  const lock = new FifoLock()
  const events: string[] = []
  const job = (name: string) => async () => {
    events.push(`+${name}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
    events.push(`-${name}`)
  }
  await Promise.all([
    lock.run(true, job('a')),
    lock.run(true, job('b')),
    lock.run(false, job('C')),
    lock.run(true, job('d')),
    lock.run(false, () => Promise.reject(new Error('no'))).catch(() => events.push('error')),
    lock.run(true, job('e')),
  ])
  expect(events).toEqual(['+a', '+b', '-a', '-b', '+C', '-C', '+d', '-d', '+e', 'error', '-e'])
})

test('sessions that share a lock look up no path while another changes names, and the reverse', async () => {
  const nameLock = new FifoLock()
  const { client, root } = await serve({ nameLock })
  await fs.writeFile(path.join(root, 'f'), 'x')
  const { handle = '' } = await client.open('/f', Fxf.READ)
  const held = async (shared: boolean, requests: () => Promise<unknown>[]): Promise<number> => {
    let release = () => {}
    const holding = nameLock.run(shared, () => new Promise<void>((resolve) => (release = resolve)))
    let answered = 0
    const asked = requests().map((request) => request.then(() => answered++))
    await new Promise((resolve) => setTimeout(resolve, 50))
    const before = answered
    release()
    await Promise.all([holding, ...asked])
    expect(answered).toBe(asked.length)
    return before
  }
  const lookups = () => [
    client.open('/f', Fxf.READ),
    client.path(Fxp.STAT, '/f'),
    client.path(Fxp.OPENDIR, '/'),
  ]
  const moves = () => [client.extended('posix-rename@openssh.com', '/f', '/f'), client.path(Fxp.REMOVE, '/f')]
  expect(await held(false, lookups)).toBe(0)
  expect(await held(true, lookups)).toBe(3)
  // Work on open files depends on no path.
  expect(await held(false, () => [client.read(handle, 0, 1)])).toBe(1)
  expect(await held(true, moves)).toBe(0)
})
