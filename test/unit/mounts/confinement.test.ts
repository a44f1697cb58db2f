import { promises as fs } from 'node:fs'
import path from 'node:path'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { Journal } from '../../../src/mounts/journal.ts'
import { HandleTable } from '../../../src/mounts/handles.ts'
import { Fx, Fxf, Fxp } from '../../../src/mounts/protocol.ts'
import { namesOf } from '../../../src/mounts/share-path.ts'
import { type Fixture, serve } from './fixture.ts'

const CREATE = Fxf.WRITE | Fxf.CREAT | Fxf.TRUNC

/** Everything of the outside that an attack could have changed. */
async function outsideState({ outside }: Fixture): Promise<unknown> {
  const names = await fs.readdir(outside)
  const { mode, mtimeMs, nlink } = await fs.stat(path.join(outside, 'secret'))
  return { names, mode, mtimeMs, nlink, text: await fs.readFile(path.join(outside, 'secret'), 'utf8') }
}

test('no name of a path is `..`, whatever the client sends', () => {
  const part = fc.constantFrom('..', '.', '', 'a', '...', '..a', '/')
  fc.assert(
    fc.property(fc.array(part), (parts) => {
      const names = namesOf(parts.join('/'))
      expect(names.some((name) => ['', '.', '..'].includes(name) || name.includes('/'))).toBe(false)
    }),
  )
})

test('`..` and absolute paths stay in the share', async () => {
  const fixture = await serve()
  const { client, top, outside } = fixture
  for (const at of ['/../share-outside/secret', '../share-outside/secret', '/a/../../share-outside/secret']) {
    expect((await client.open(at, Fxf.READ)).status).toBe(Fx.NO_SUCH_FILE)
  }
  expect((await client.open(path.join(outside, 'secret'), Fxf.READ)).status).toBe(Fx.NO_SUCH_FILE)
  expect((await client.path(Fxp.REALPATH, '../../..')).names?.[0]?.name).toBe('/')
  expect((await client.path(Fxp.REALPATH, `${top}/../x`)).status).toBe(Fx.NO_SUCH_FILE)
})

test('a NUL byte is refused', async () => {
  const { client, root } = await serve()
  await fs.writeFile(path.join(root, 'a'), '')
  expect((await client.path(Fxp.LSTAT, '/a\0b')).status).toBe(Fx.FAILURE)
  expect((await client.open('/a\0b', CREATE)).status).toBe(Fx.FAILURE)
  expect((await client.two(Fxp.SYMLINK, 'a\0b', '/l')).status).toBe(Fx.FAILURE)
})

test('links that lead outside are followed by no request', async () => {
  const fixture = await serve()
  const { client } = fixture
  // The client makes them itself; `share-outside` has the share's own path as its prefix.
  await client.two(Fxp.SYMLINK, '../share-outside', '/dir')
  await client.two(Fxp.SYMLINK, fixture.outside, '/absolute')
  await client.two(Fxp.SYMLINK, '../share-outside/secret', '/file')
  await client.two(Fxp.SYMLINK, '../share-outside/new', '/dangling')
  await client.open('/mine', CREATE)
  const before = await outsideState(fixture)
  for (const dir of ['/dir', '/absolute', '/dir/.', '/absolute/']) {
    const inner = `${dir}/secret`
    const attempts = [
      client.open(inner, Fxf.READ),
      client.open(inner, CREATE),
      client.open(`${dir}/new`, CREATE),
      client.path(Fxp.LSTAT, inner),
      client.path(Fxp.STAT, inner),
      client.path(Fxp.SETSTAT, inner, { mode: 0o777, size: 0 }),
      client.path(Fxp.REMOVE, inner),
      client.path(Fxp.MKDIR, `${dir}/new`, {}),
      client.path(Fxp.RMDIR, inner),
      client.path(Fxp.READLINK, inner),
      client.path(Fxp.REALPATH, inner),
      client.two(Fxp.RENAME, inner, '/got'),
      client.two(Fxp.RENAME, '/mine', `${dir}/new`),
      client.two(Fxp.SYMLINK, 'x', `${dir}/new`),
      client.extended('posix-rename@openssh.com', inner, '/got'),
      client.extended('posix-rename@openssh.com', '/mine', inner),
      client.extended('hardlink@openssh.com', inner, '/got'),
      client.extended('hardlink@openssh.com', '/mine', `${dir}/new`),
      client.extended('statvfs@openssh.com', inner),
    ]
    for (const { status } of await Promise.all(attempts)) expect(status).toBe(Fx.PERMISSION_DENIED)
  }
  expect(await outsideState(fixture)).toEqual(before)
})

test('a link as the last name is never followed outside', async () => {
  const fixture = await serve()
  const { client, root } = fixture
  await client.two(Fxp.SYMLINK, '../share-outside/secret', '/file')
  await client.two(Fxp.SYMLINK, '../share-outside/new', '/dangling')
  await client.two(Fxp.SYMLINK, '../share-outside', '/dir')
  const before = await outsideState(fixture)
  expect((await client.open('/file', Fxf.READ)).status).toBe(Fx.FAILURE)
  expect((await client.open('/file', CREATE)).status).toBe(Fx.FAILURE)
  expect((await client.open('/dangling', CREATE)).status).toBe(Fx.FAILURE)
  expect((await client.path(Fxp.STAT, '/file')).status).toBe(Fx.PERMISSION_DENIED)
  expect((await client.path(Fxp.OPENDIR, '/dir')).status).toBe(Fx.FAILURE)
  expect((await client.path(Fxp.OPENDIR, '/dir/')).status).toBe(Fx.FAILURE)
  expect((await client.path(Fxp.SETSTAT, '/file', { size: 0 })).status).toBe(Fx.FAILURE)
  expect((await client.path(Fxp.SETSTAT, '/file', { mode: 0o777 })).status).toBe(Fx.OP_UNSUPPORTED)
  expect((await client.path(Fxp.SETSTAT, '/file', { atime: 1, mtime: 2 })).status).toBe(Fx.OK)
  expect((await fs.lstat(path.join(root, 'file'))).mtimeMs).toBe(2000)
  expect((await client.path(Fxp.LSTAT, '/file')).attrs?.mode).toBe(0o120777)
  expect(await outsideState(fixture)).toEqual(before)
})

test('links inside the share work', async () => {
  const { client, root } = await serve()
  await fs.mkdir(path.join(root, 'd'))
  await fs.writeFile(path.join(root, 'd/f'), 'x')
  await client.two(Fxp.SYMLINK, 'd', '/l')
  expect((await client.open('/l/f', Fxf.READ)).type).toBe(Fxp.HANDLE)
  expect((await client.path(Fxp.STAT, '/l')).attrs?.mode).toBe((await fs.stat(path.join(root, 'd'))).mode)
  expect((await client.path(Fxp.REALPATH, '/l/f')).names?.[0]?.name).toBe('/d/f')
})

test('a folder swapped for a link while it is read gives nothing away', async () => {
  const { client, root } = await serve()
  await fs.mkdir(path.join(root, 'd'))
  await fs.writeFile(path.join(root, 'd/secret'), '')
  const { handle = '' } = await client.path(Fxp.OPENDIR, '/d')
  const swapped = [
    client.two(Fxp.RENAME, '/d', '/e'),
    client.two(Fxp.SYMLINK, '../share-outside', '/d'),
    client.handle(Fxp.READDIR, handle),
  ]
  expect((await Promise.all(swapped)).map(({ status }) => status)).toEqual([Fx.OK, Fx.OK, Fx.FAILURE])
})

test('a root replaced by a link serves nothing', async () => {
  const { client, root, top } = await serve()
  await client.path(Fxp.LSTAT, '/')
  await fs.rename(root, path.join(top, 'gone'))
  await fs.symlink('share-outside', root)
  expect((await client.path(Fxp.LSTAT, '/')).status).toBe(Fx.PERMISSION_DENIED)
  expect((await client.open('/secret', Fxf.READ)).status).toBe(Fx.PERMISSION_DENIED)
})

test('a read-only share refuses every change', async () => {
  const { client, root } = await serve({ writable: false })
  await fs.writeFile(path.join(root, 'f'), 'text')
  const { handle = '' } = await client.open('/f', Fxf.READ)
  const attempts = [
    client.open('/f', Fxf.WRITE),
    client.open('/f', Fxf.READ | Fxf.TRUNC),
    client.open('/f', Fxf.READ | Fxf.APPEND),
    client.open('/g', Fxf.READ | Fxf.CREAT),
    client.write(handle, 0, 'x'),
    client.path(Fxp.SETSTAT, '/f', { size: 0 }),
    client.ask(Fxp.FSETSTAT, (writer) => writer.text(handle).u32(4).u32(0o777)),
    client.path(Fxp.REMOVE, '/f'),
    client.path(Fxp.MKDIR, '/d', {}),
    client.path(Fxp.RMDIR, '/d'),
    client.two(Fxp.RENAME, '/f', '/g'),
    client.two(Fxp.SYMLINK, 'x', '/g'),
    client.extended('posix-rename@openssh.com', '/f', '/g'),
    client.extended('hardlink@openssh.com', '/f', '/g'),
  ]
  for (const { status } of await Promise.all(attempts)) expect(status).toBe(Fx.PERMISSION_DENIED)
  expect((await client.read(handle, 0, 10)).data?.toString()).toBe('text')
  expect(await fs.readdir(root)).toEqual(['f'])
})

test('a handle of another session is no handle', async () => {
  const one = await serve()
  const two = await serve()
  const { handle = '' } = await one.client.open('/f', CREATE)
  await two.client.open('/f', CREATE)
  expect((await two.client.write(handle, 0, 'x')).status).toBe(Fx.FAILURE)
  expect((await two.client.handle(Fxp.CLOSE, handle)).status).toBe(Fx.FAILURE)
  expect((await two.client.handle(Fxp.CLOSE, '')).status).toBe(Fx.FAILURE)
})

test('open handles are limited', async () => {
  const table = new HandleTable(new Journal(), undefined, 2)
  const handle = { kind: 'file', fd: -1, append: false, place: '/f', flags: 0, dev: 0, ino: 0 } as const
  const add = () => table.add({ id: 1, path: '/f' }, () => fs.open('/dev/null').then(() => handle))
  const made = await Promise.allSettled([add(), add(), add()])
  expect(made.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected'])
})
