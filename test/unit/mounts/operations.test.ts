import { execFileSync } from 'node:child_process'
import { promises as fs } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { Fx, Fxf, Fxp } from '../../../src/mounts/protocol.ts'
import { serve } from './fixture.ts'

test('offers its extensions', async () => {
  const { client } = await serve()
  const text = client.version?.toString('latin1')
  for (const name of ['posix-rename', 'hardlink', 'statvfs', 'fstatvfs', 'fsync']) {
    expect(text).toContain(`${name}@openssh.com`)
  }
})

test('creates, writes, reads, closes', async () => {
  const { client, root, session } = await serve()
  const { handle = '' } = await client.open('/f', Fxf.READ | Fxf.WRITE | Fxf.CREAT | Fxf.EXCL, {
    mode: 0o600,
  })
  expect((await client.write(handle, 0, 'hello world')).status).toBe(Fx.OK)
  expect((await client.read(handle, 6, 100)).data?.toString()).toBe('world')
  expect((await client.read(handle, 11, 100)).status).toBe(Fx.EOF)
  expect((await client.extended('fsync@openssh.com', handle)).status).toBe(Fx.OK)
  expect((await client.handle(Fxp.FSTAT, handle)).attrs).toMatchObject({ size: 11, mode: 0o100600 })
  expect(session.stats()).toMatchObject({ openHandles: 1, bytesRead: 5, bytesWritten: 11 })
  expect((await client.handle(Fxp.CLOSE, handle)).status).toBe(Fx.OK)
  expect((await client.read(handle, 0, 1)).status).toBe(Fx.FAILURE)
  expect(session.stats().openHandles).toBe(0)
  expect(await fs.readFile(path.join(root, 'f'), 'utf8')).toBe('hello world')
  expect((await client.open('/f', Fxf.WRITE | Fxf.CREAT | Fxf.EXCL)).status).toBe(Fx.FAILURE)
})

test('appends where the file ends, whatever the offset', async () => {
  const { client, root } = await serve()
  const file = path.join(root, 'log')
  const { handle = '' } = await client.open('/log', Fxf.WRITE | Fxf.CREAT | Fxf.APPEND)
  await client.write(handle, 0, 'a\n')
  await fs.appendFile(file, 'host\n')
  await client.write(handle, 2, 'b\n')
  expect(await fs.readFile(file, 'utf8')).toBe('a\nhost\nb\n')
})

test('truncates on open and by attributes', async () => {
  const { client, root } = await serve()
  await fs.writeFile(path.join(root, 'f'), '0123456789')
  expect((await client.path(Fxp.SETSTAT, '/f', { size: 4 })).status).toBe(Fx.OK)
  expect((await client.path(Fxp.STAT, '/f')).attrs?.size).toBe(4)
  await client.open('/f', Fxf.WRITE | Fxf.TRUNC)
  expect((await client.path(Fxp.LSTAT, '/f')).attrs?.size).toBe(0)
})

test('sets modes and times', async () => {
  const { client, root } = await serve()
  await fs.writeFile(path.join(root, 'f'), '')
  const set = { mode: 0o640, atime: 1000, mtime: 2000 }
  expect((await client.path(Fxp.SETSTAT, '/f', set)).status).toBe(Fx.OK)
  expect((await client.path(Fxp.LSTAT, '/f')).attrs).toMatchObject({ ...set, mode: 0o100640 })
  const { handle = '' } = await client.open('/f', Fxf.READ | Fxf.WRITE)
  const fset = client.ask(Fxp.FSETSTAT, (writer) => writer.text(handle).u32(12).u32(0o4755).u32(5).u32(6))
  expect((await fset).status).toBe(Fx.OK)
  expect((await client.handle(Fxp.FSTAT, handle)).attrs).toMatchObject({ mode: 0o104755, atime: 5, mtime: 6 })
  // The set-user-id bit is not for a guest to give: it sees it, and the host's file has none.
  expect((await fs.stat(path.join(root, 'f'))).mode).toBe(0o100755)
})

test('lists folders in batches, several asked for at once', async () => {
  const { client, root } = await serve()
  await Promise.all(Array.from({ length: 400 }, (_, n) => fs.writeFile(path.join(root, `file-${n}`), 'x')))
  const { handle = '' } = await client.path(Fxp.OPENDIR, '/')
  const replies = await Promise.all(Array.from({ length: 8 }, () => client.handle(Fxp.READDIR, handle)))
  const names = replies.flatMap((reply) => reply.names ?? [])
  expect(new Set(names.map(({ name }) => name)).size).toBe(402)
  expect(names).toHaveLength(402)
  expect(replies.at(-1)?.status).toBe(Fx.EOF)
  expect(names.find(({ name }) => name === 'file-7')?.attrs.size).toBe(1)
  expect(names.find(({ name }) => name === 'file-7')?.longname).toMatch(/^-rw.* file-7$/)
})

test('keeps names that are not UTF-8', async () => {
  const { client, root } = await serve()
  const name = 'caf\xe9\xff'
  const made = await client.open(`/${name}`, Fxf.WRITE | Fxf.CREAT)
  expect(made.type).toBe(Fxp.HANDLE)
  expect((await fs.readdir(root, { encoding: 'buffer' }))[0]?.toString('latin1')).toBe(name)
  const { handle = '' } = await client.path(Fxp.OPENDIR, '/')
  expect((await client.handle(Fxp.READDIR, handle)).names?.map((entry) => entry.name)).toContain(name)
  expect((await client.path(Fxp.REALPATH, `/x/../${name}`)).names?.[0]?.name).toBe(`/${name}`)
})

test('makes and removes folders', async () => {
  const { client, root } = await serve()
  expect((await client.path(Fxp.MKDIR, '/d', { mode: 0o700 })).status).toBe(Fx.OK)
  expect((await fs.stat(path.join(root, 'd'))).mode & 0o777).toBe(0o700)
  expect((await client.path(Fxp.REMOVE, '/d')).status).not.toBe(Fx.OK)
  expect((await client.path(Fxp.RMDIR, '/d')).status).toBe(Fx.OK)
  expect((await client.path(Fxp.RMDIR, '/d')).status).toBe(Fx.NO_SUCH_FILE)
  expect((await client.path(Fxp.RMDIR, '/')).status).toBe(Fx.PERMISSION_DENIED)
})

test('RENAME refuses to replace, posix-rename replaces', async () => {
  const { client, root } = await serve()
  await fs.writeFile(path.join(root, 'a'), 'a')
  await fs.writeFile(path.join(root, 'b'), 'b')
  await fs.mkdir(path.join(root, 'd'))
  expect((await client.two(Fxp.RENAME, '/a', '/b')).status).toBe(Fx.FAILURE)
  expect((await client.two(Fxp.RENAME, '/d', '/b')).status).toBe(Fx.FAILURE)
  expect((await client.two(Fxp.RENAME, '/a', '/c')).status).toBe(Fx.OK)
  expect((await client.two(Fxp.RENAME, '/d', '/e')).status).toBe(Fx.OK)
  expect((await client.extended('posix-rename@openssh.com', '/c', '/b')).status).toBe(Fx.OK)
  expect(await fs.readFile(path.join(root, 'b'), 'utf8')).toBe('a')
  expect((await fs.readdir(root)).sort()).toEqual(['b', 'e'])
})

test('makes links: the target comes first, as with OpenSSH', async () => {
  const { client, root } = await serve()
  expect((await client.two(Fxp.SYMLINK, '../any/target', '/link')).status).toBe(Fx.OK)
  expect(await fs.readlink(path.join(root, 'link'))).toBe('../any/target')
  expect((await client.path(Fxp.READLINK, '/link')).names?.[0]?.name).toBe('../any/target')
  await fs.writeFile(path.join(root, 'a'), '')
  expect((await client.extended('hardlink@openssh.com', '/a', '/b')).status).toBe(Fx.OK)
  expect((await fs.stat(path.join(root, 'b'))).nlink).toBe(2)
})

test('links no objects of git, which takes the other inode number it would see for an attack', async () => {
  const { client, root } = await serve()
  const objects = path.join(root, 'objects')
  for (const folder of ['pack', 'ab']) await fs.mkdir(path.join(objects, folder), { recursive: true })
  await fs.writeFile(path.join(root, 'a'), '')
  for (const name of ['/objects/pack/x.pack', '/objects/ab/cdef']) {
    expect((await client.extended('hardlink@openssh.com', '/a', name)).status).toBe(Fx.OP_UNSUPPORTED)
  }
  expect((await client.extended('hardlink@openssh.com', '/a', '/objects/b')).status).toBe(Fx.OK)
})

test('gives the figures of the file system', async () => {
  const { client, root } = await serve()
  const { handle = '' } = await client.open('/f', Fxf.WRITE | Fxf.CREAT)
  const { bsize, blocks } = await fs.statfs(root)
  for (const [name, of] of [
    ['statvfs@openssh.com', '/'],
    ['fstatvfs@openssh.com', handle],
  ] as const) {
    const reply = await client.extended(name, of)
    expect(reply.type).toBe(Fxp.EXTENDED_REPLY)
    expect(reply.numbers?.slice(0, 3)).toEqual([bsize, bsize, blocks])
    expect(reply.numbers?.at(-1)).toBe(255)
  }
})

test('maps system errors, and tells no path of the host', async () => {
  const { client, root, top } = await serve()
  await fs.writeFile(path.join(root, 'f'), '')
  const missing = await client.path(Fxp.LSTAT, '/none')
  expect(missing).toMatchObject({ status: Fx.NO_SUCH_FILE })
  expect(missing.message).not.toContain(top)
  expect((await client.path(Fxp.LSTAT, '/f/below')).status).toBe(Fx.NO_SUCH_FILE)
  expect((await client.path(Fxp.OPENDIR, '/f')).status).toBe(Fx.FAILURE)
  expect((await client.ask(99)).status).toBe(Fx.OP_UNSUPPORTED)
  expect((await client.extended('lsetstat@openssh.com')).status).toBe(Fx.OP_UNSUPPORTED)
})

test('opens regular files only, and does not wait for a FIFO’s other end', async () => {
  const { client, root, session } = await serve()
  execFileSync('mkfifo', [path.join(root, 'fifo')])
  for (const flags of [Fxf.READ, Fxf.WRITE, Fxf.READ | Fxf.WRITE]) {
    expect((await client.open('/fifo', flags)).status).toBe(Fx.FAILURE)
  }
  expect((await client.path(Fxp.SETSTAT, '/fifo', { size: 0 })).status).toBe(Fx.FAILURE)
  expect((await client.open('/', Fxf.READ)).status).toBe(Fx.FAILURE)
  expect(session.stats().openHandles).toBe(0)
})

test('a root that goes away gives clean errors', async () => {
  const { client, root } = await serve()
  await client.path(Fxp.LSTAT, '/')
  await fs.rm(root, { recursive: true })
  expect((await client.path(Fxp.LSTAT, '/')).status).toBe(Fx.NO_SUCH_FILE)
  expect((await client.open('/f', Fxf.WRITE | Fxf.CREAT)).status).toBe(Fx.NO_SUCH_FILE)
})
