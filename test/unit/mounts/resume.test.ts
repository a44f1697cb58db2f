import { promises as fs } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { Fx, Fxf, Fxp, RESUME } from '../../../src/mounts/protocol.ts'
import { packet } from './client.ts'
import { connect } from './fixture.ts'
import { relayInit, Survivor } from './survivor.ts'

const CREATE = Fxf.READ | Fxf.WRITE | Fxf.CREAT

const at = (survivor: Survivor, name: string) => path.join(survivor.root, name)

test('VERSION gives the nonce back, before all other extensions', async () => {
  const { client } = await Survivor.start()
  const start = Buffer.concat([Buffer.from(RESUME), Buffer.from([0, 0, 0, 16]), Buffer.alloc(16, 1)])
  expect(client.version?.indexOf(start)).toBe(9)
  expect(client.version?.toString('latin1')).toContain('posix-rename@openssh.com')
})

test('a session with a journal passes over everything until an INIT, in chunks of any size', async () => {
  const survivor = await Survivor.start()
  const { root, journal } = survivor
  await survivor.session.close()
  const init = relayInit(Buffer.alloc(16, 7), true, 0)
  const before = Buffer.concat([packet(Fxp.LSTAT, 1, (writer) => writer.text('/')), init.subarray(0, 30)])
  for (const size of [1, 7, 1000]) {
    const { session, client, stream } = connect({ root, writable: true, journal })
    const bytes = Buffer.concat([before, init])
    for (let from = 0; from < bytes.length - 1; from += size)
      stream.write(bytes.subarray(from, Math.min(from + size, bytes.length - 1)))
    await client.init(bytes.subarray(bytes.length - 1))
    expect(client.version?.includes(Buffer.alloc(16, 7))).toBe(true)
    expect((await client.path(Fxp.LSTAT, '/')).type).toBe(Fxp.ATTRS)
    await session.close()
  }
})

test('bytes of a file that look like a plain INIT are passed over for the relay', async () => {
  const survivor = await Survivor.start()
  const { root, journal } = survivor
  const { handle = '' } = await survivor.send(survivor.open('/f', CREATE))
  await survivor.session.close()
  const { session, client, stream } = connect({ root, writable: true, journal })
  stream.write(Buffer.concat([Buffer.alloc(99, 1), packet(Fxp.INIT, 3), Buffer.alloc(99, 1)]))
  await client.init(relayInit(Buffer.alloc(16, 2), true, 0))
  expect((await client.write(handle, 0, 'x')).status).toBe(Fx.OK)
  await session.close()
})

test('open files go on under their names, wherever a rename took them', async () => {
  const survivor = await Survivor.start()
  await survivor.send(survivor.one(Fxp.MKDIR, '/d'))
  const { handle = '' } = await survivor.send(survivor.open('/d/f', CREATE | Fxf.TRUNC))
  await survivor.send(survivor.write(handle, 0, 'one'))
  await survivor.send(survivor.rename('/d/f', '/d/g'))
  await survivor.send(survivor.rename('/d', '/e'))
  await survivor.nextServer(0)
  expect((await survivor.send(survivor.write(handle, 3, 'two'))).status).toBe(Fx.OK)
  await survivor.nextServer(0)
  expect((await survivor.client.read(handle, 0, 10)).data?.toString()).toBe('onetwo')
  const other = await survivor.send(survivor.open('/new', CREATE))
  expect(other.handle).not.toBe(handle)
  expect((await survivor.send(survivor.one(Fxp.CLOSE, handle))).status).toBe(Fx.OK)
  expect((await survivor.send(survivor.one(Fxp.CLOSE, handle))).status).toBe(Fx.FAILURE)
})

test('a new client finds nothing of the one before', async () => {
  const survivor = await Survivor.start()
  const { handle = '' } = await survivor.send(survivor.open('/f', CREATE))
  for (const init of [relayInit(Buffer.alloc(16, 3), false, 0), packet(Fxp.INIT, 3)]) {
    await survivor.client.init(init)
    expect((await survivor.client.read(handle, 0, 1)).status).toBe(Fx.FAILURE)
    expect(survivor.session.stats().openHandles).toBe(0)
  }
  await survivor.nextServer(0)
  expect((await survivor.client.read(handle, 0, 1)).status).toBe(Fx.FAILURE)
})

test('a reset keeps what is open, for the same client', async () => {
  const survivor = await Survivor.start()
  const { handle = '' } = await survivor.send(survivor.open('/f', CREATE))
  survivor.session.reset()
  expect(survivor.session.hasClient()).toBe(false)
  await survivor.client.init(relayInit(Buffer.alloc(16, 3), true, 0))
  expect(survivor.session.hasClient()).toBe(true)
  expect((await survivor.client.write(handle, 0, 'x')).status).toBe(Fx.OK)
})

test.each<[string, (file: string, outside: string) => Promise<void>]>([
  ['another file', (file) => fs.rename(file, `${file}.old`).then(() => fs.writeFile(file, 'other'))],
  ['a link to it', (file, outside) => fs.rename(file, outside).then(() => fs.symlink(outside, file))],
  [
    'it, in a folder that is a link out of the share',
    async (file, outside) => {
      const folder = path.dirname(file)
      await fs.rename(folder, outside)
      await fs.symlink(outside, folder)
    },
  ],
  ['nothing', (file) => fs.rm(file)],
])('a handle is lost where the host put %s in its file’s place', async (_name, meddle) => {
  const survivor = await Survivor.start()
  await survivor.send(survivor.one(Fxp.MKDIR, '/d'))
  const { handle = '' } = await survivor.send(survivor.open('/d/f', CREATE))
  await survivor.session.close()
  await meddle(at(survivor, 'd/f'), path.join(survivor.root, '../outside'))
  await survivor.nextServer(0)
  expect((await survivor.send(survivor.write(handle, 0, 'x'))).status).toBe(Fx.FAILURE)
})

test('a listing goes on with what was not given, and gives a lost batch again', async () => {
  const survivor = await Survivor.start()
  const wanted = Array.from({ length: 500 }, (_, n) => `file-${n}`)
  await Promise.all(wanted.map((name) => fs.writeFile(at(survivor, name), '')))
  const { handle = '' } = await survivor.send(survivor.one(Fxp.OPENDIR, '/'))
  const seen: string[] = []
  for (;;) {
    const request = survivor.one(Fxp.READDIR, handle)
    const lost = await survivor.send(request)
    await survivor.nextServer(1)
    const reply = await survivor.send(request)
    expect(reply.names?.map(({ name }) => name)).toEqual(lost.names?.map(({ name }) => name))
    if (reply.type !== Fxp.NAME) break
    seen.push(...(reply.names ?? []).map(({ name }) => name))
  }
  expect(seen.sort()).toEqual(['.', '..', ...wanted].sort())
})

test.each([
  ['nothing of it', ''],
  ['a part', 'ne'],
  ['all', 'new\n'],
])('an append that was cut off after %s is in the file once', async (_name, written) => {
  const survivor = await Survivor.start()
  await fs.writeFile(at(survivor, 'log'), 'old\n')
  const { handle = '' } = await survivor.send(survivor.open('/log', Fxf.WRITE | Fxf.APPEND))
  const append = survivor.write(handle, 4, 'new\n')
  await survivor.session.close()
  const begun = JSON.stringify({ is: 'begin', id: append.id, size: 4 })
  await fs.appendFile(survivor.journal, `${begun}\n`)
  await fs.appendFile(at(survivor, 'log'), written)
  for (let turn = 0; turn < 2; turn++) {
    await survivor.nextServer(1)
    expect((await survivor.send(append)).status).toBe(Fx.OK)
    expect(await fs.readFile(at(survivor, 'log'), 'utf8')).toBe('old\nnew\n')
  }
})

test('a resend that was never done gets the answer of what is there', async () => {
  const survivor = await Survivor.start()
  await fs.writeFile(at(survivor, 'lock'), '')
  await fs.mkdir(at(survivor, 'd'))
  await survivor.nextServer(3)
  const replies = [
    survivor.send(survivor.open('/lock', CREATE | Fxf.EXCL)),
    survivor.send(survivor.one(Fxp.MKDIR, '/d')),
    survivor.send(survivor.one(Fxp.REMOVE, '/none')),
  ]
  const statuses = (await Promise.all(replies)).map(({ status }) => status)
  expect(statuses).toEqual([Fx.FAILURE, Fx.FAILURE, Fx.NO_SUCH_FILE])
})

test('a journal stays short however much is opened', async () => {
  const survivor = await Survivor.start()
  const { handle: kept = '' } = await survivor.send(survivor.open('/kept', CREATE))
  for (let turn = 0; turn < 9000; turn++) {
    const { handle = '' } = await survivor.client.open('/f', CREATE)
    await survivor.client.handle(Fxp.CLOSE, handle)
  }
  expect((await fs.stat(survivor.journal)).size).toBeLessThan(1_600_000)
  await survivor.nextServer(0)
  expect((await survivor.client.write(kept, 0, 'x')).status).toBe(Fx.OK)
})

test('a journal that cannot be written costs nothing but the handles', async () => {
  const lines: string[] = []
  const survivor = await Survivor.start()
  const { root } = survivor
  const journal = path.join(root, 'none', 'journal')
  const { client, session } = connect({ root, writable: true, journal, log: (line) => lines.push(line) })
  await client.init()
  const { handle = '' } = await client.open('/f', CREATE)
  expect((await client.write(handle, 0, 'x')).status).toBe(Fx.OK)
  expect(lines.join()).toContain('will not outlive the agent')
  await session.close()
})
