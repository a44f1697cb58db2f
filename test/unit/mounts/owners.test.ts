import { promises as fs, type Stats } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { KeptFiles } from '../../../src/mounts/kept.ts'
import { setMode } from '../../../src/mounts/modes.ts'
import { Owners } from '../../../src/mounts/owners.ts'
import { Fx, Fxf, Fxp } from '../../../src/mounts/protocol.ts'
import { connect, type Fixture, serve } from './fixture.ts'

const USER = { uid: 1000, gid: 1000 }
const LEAVE = 0xffffffff

// Root of the host could do what is kept here for those who cannot: these tests are an ordinary user's.
const root = process.getuid?.() === 0
beforeAll(() => {
  if (!root) return
  process.setegid?.(65534)
  process.seteuid?.(65534)
})
afterAll(() => {
  if (!root) return
  process.seteuid?.(0)
  process.setegid?.(0)
})

interface Given extends Fixture {
  owners: Owners
  host(name: string): Promise<Stats>
  seen(name: string): Promise<{ uid: number; gid: number; mode: number }>
  chown(name: string, uid: number, gid: number): Promise<void>
  chmod(name: string, mode: number): Promise<void>
}

/** A share with the file `f` and the folder `d`. */
async function share(kept = new KeptFiles()): Promise<Given> {
  const owners = new Owners(USER, kept)
  const fixture = await serve({ owners })
  const { client } = fixture
  await fs.writeFile(path.join(fixture.root, 'f'), 'text', { mode: 0o644 })
  await fs.mkdir(path.join(fixture.root, 'd'), { mode: 0o755 })
  const set = async (name: string, attrs: object) => {
    expect((await client.path(Fxp.SETSTAT, name, attrs)).status).toBe(Fx.OK)
  }
  return {
    ...fixture,
    owners,
    host: (name) => fs.lstat(path.join(fixture.root, name)),
    seen: async (name) => {
      const { uid = -1, gid = -1, mode = -1 } = (await client.path(Fxp.LSTAT, name)).attrs ?? {}
      return { uid, gid, mode: mode & 0o7777 }
    },
    chown: (name, uid, gid) => set(name, { uid, gid }),
    chmod: (name, mode) => set(name, { mode }),
  }
}

async function hostMode(given: Given, name: string): Promise<number> {
  return (await given.host(name)).mode & 0o7777
}

test('everything of the host is the guest user’s', async () => {
  const given = await share()
  const { client } = given
  for (const name of ['/', '/f', '/d']) expect(await given.seen(name)).toMatchObject(USER)
  const { handle: file = '' } = await client.open('/f', Fxf.READ)
  expect((await client.handle(Fxp.FSTAT, file)).attrs).toMatchObject(USER)
  const { handle: folder = '' } = await client.path(Fxp.OPENDIR, '/')
  const { names = [] } = await client.handle(Fxp.READDIR, folder)
  expect(names.map(({ name }) => name).sort()).toEqual(['.', '..', 'd', 'f'])
  for (const { attrs, longname } of names) {
    expect(attrs).toMatchObject(USER)
    expect(longname).toMatch(/ 1000 +1000 /)
  }
  expect(given.owners.empty).toBe(true)
})

test('a file that is given away is so wherever it is looked at, and stays the host user’s', async () => {
  const given = await share()
  const { client } = given
  const before = await given.host('f')
  await given.chown('/f', 999, 998)
  expect(await given.seen('/f')).toEqual({ uid: 999, gid: 998, mode: 0o644 })
  const { handle = '' } = await client.open('/f', Fxf.READ | Fxf.WRITE)
  expect((await client.handle(Fxp.FSTAT, handle)).attrs).toMatchObject({ uid: 999, gid: 998 })
  const { handle: folder = '' } = await client.path(Fxp.OPENDIR, '/')
  const { names = [] } = await client.handle(Fxp.READDIR, folder)
  const entry = names.find(({ name }) => name === 'f')
  expect(entry?.attrs).toMatchObject({ uid: 999, gid: 998 })
  expect(entry?.longname).toMatch(/ 999 +998 /)
  const { uid, gid, mode } = await given.host('f')
  expect({ uid, gid, mode }).toEqual({ uid: before.uid, gid: before.gid, mode: before.mode })

  // By its handle, and half of it.
  const chown = (uid: number, gid: number) =>
    client.ask(Fxp.FSETSTAT, (writer) => writer.text(handle).u32(2).u32(uid).u32(gid))
  expect((await chown(LEAVE, 5)).status).toBe(Fx.OK)
  expect(await given.seen('/f')).toMatchObject({ uid: 999, gid: 5 })
  await given.chown('/f', 0, LEAVE)
  expect(await given.seen('/f')).toMatchObject({ uid: 0, gid: 5 })
  await given.chown('/f', USER.uid, USER.gid)
  expect(await given.seen('/f')).toMatchObject(USER)
  expect(given.owners.empty).toBe(true)
})

test('sessions of overlapping shares agree', async () => {
  const given = await share()
  await fs.writeFile(path.join(given.root, 'd', 'x'), '')
  const inner = connect({ root: path.join(given.root, 'd'), writable: true, owners: given.owners })
  await inner.client.init()
  await given.chown('/d/x', 999, 999)
  expect((await inner.client.path(Fxp.LSTAT, '/x')).attrs).toMatchObject({ uid: 999, gid: 999 })
  await inner.session.close()
})

test('a process that comes after one that was killed knows all it answered', async () => {
  const { top } = await serve()
  const file = path.join(top, 'owners')
  const given = await share(new KeptFiles(file))
  await given.chown('/f', 999, 999)
  await given.chmod('/d', 0o555)
  // Nothing was closed.
  const later = connect({ root: given.root, writable: true, owners: new Owners(USER, new KeptFiles(file)) })
  await later.client.init()
  expect((await later.client.path(Fxp.LSTAT, '/f')).attrs).toMatchObject({ uid: 999, gid: 999 })
  expect((await later.client.path(Fxp.LSTAT, '/d')).attrs).toMatchObject({ mode: 0o040555 })
  await later.session.close()
})

test('a link has an owner of its own', async () => {
  const given = await share()
  await fs.symlink('f', path.join(given.root, 'l'))
  await fs.symlink('/nowhere', path.join(given.root, 'dangling'))
  await given.chown('/l', 7, 7)
  await given.chown('/dangling', 8, 8)
  expect(await given.seen('/l')).toMatchObject({ uid: 7, gid: 7 })
  expect(await given.seen('/dangling')).toMatchObject({ uid: 8, gid: 8 })
  expect(await given.seen('/f')).toMatchObject(USER)
})

test('names of one file share its owner, until the last is removed', async () => {
  const given = await share()
  const { client } = given
  await given.chown('/f', 999, 999)
  expect((await client.extended('hardlink@openssh.com', '/f', '/d/g')).status).toBe(Fx.OK)
  expect(await given.seen('/d/g')).toMatchObject({ uid: 999 })
  await client.path(Fxp.REMOVE, '/f')
  expect(await given.seen('/d/g')).toMatchObject({ uid: 999 })
  await client.path(Fxp.REMOVE, '/d/g')
  expect(given.owners.empty).toBe(true)
  await given.chown('/d', 999, 999)
  await client.path(Fxp.RMDIR, '/d')
  expect(given.owners.empty).toBe(true)
})

test('a file keeps its owner when it is renamed, one that is replaced has none left', async () => {
  const given = await share()
  const { client } = given
  await given.chown('/f', 999, 999)
  await client.two(Fxp.RENAME, '/f', '/g')
  await client.extended('posix-rename@openssh.com', '/g', '/d/h')
  expect(await given.seen('/d/h')).toMatchObject({ uid: 999 })
  await fs.rename(path.join(given.root, 'd/h'), path.join(given.root, 'i'))
  expect(await given.seen('/i')).toMatchObject({ uid: 999 })
  // Onto itself: nothing is replaced.
  await client.extended('posix-rename@openssh.com', '/i', '/i')
  expect(await given.seen('/i')).toMatchObject({ uid: 999 })
  await fs.writeFile(path.join(given.root, 'new'), '')
  await client.extended('posix-rename@openssh.com', '/new', '/i')
  expect(await given.seen('/i')).toMatchObject(USER)
  expect(given.owners.empty).toBe(true)
})

const at = (more: Partial<Stats>) =>
  ({ dev: 1, ino: 5, birthtimeMs: 1000.5, mode: 0o100644, uid: 0, gid: 0, ...more }) as Stats

test('a new file in the inode of a removed one does not inherit, a new device number changes nothing', () => {
  const owners = new Owners(USER)
  owners.setOwner(at({}), 999, 999)
  expect(owners.asSeen(at({ dev: 2 }))).toMatchObject({ uid: 999, gid: 999 })
  expect(owners.asSeen(at({ birthtimeMs: 1000.75 }))).toMatchObject(USER)
  expect(owners.asSeen(at({ ino: 6 }))).toMatchObject(USER)
})

test('without times of birth the device counts, and a file made by the guest starts anew', () => {
  const owners = new Owners(USER)
  owners.setOwner(at({ birthtimeMs: 0 }), 999, 999)
  expect(owners.asSeen(at({ birthtimeMs: 0 }))).toMatchObject({ uid: 999 })
  expect(owners.asSeen(at({ birthtimeMs: 0, dev: 2 }))).toMatchObject(USER)
  owners.inherit(at({ birthtimeMs: 0 }), at({ ino: 2 }))
  expect(owners.empty).toBe(true)
})

test('a file whose times set another birth keeps its owner', () => {
  const owners = new Owners(USER)
  owners.setOwner(at({}), 999, 999)
  owners.follow(at({}), at({}))
  owners.follow(at({}), at({ birthtimeMs: 5 }))
  expect(owners.asSeen(at({ birthtimeMs: 5 }))).toMatchObject({ uid: 999 })
  expect(owners.asSeen(at({}))).toMatchObject(USER)
})

for (const [name, mode, host] of [
  ['f', 0o4755, 0o755],
  ['f', 0o2711, 0o711],
  ['f', 0o1644, 0o644],
  ['f', 0o000, 0o400],
  ['f', 0o222, 0o622],
  ['d', 0o555, 0o755],
  ['d', 0o000, 0o700],
  ['d', 0o1077, 0o1777],
] as const) {
  test(`${name}: the guest sees mode ${mode.toString(8)}, the host keeps ${host.toString(8)}`, async () => {
    const given = await share()
    await given.chmod(`/${name}`, mode)
    expect((await given.seen(`/${name}`)).mode).toBe(mode)
    expect(await hostMode(given, name)).toBe(host)
    // Whoever owns it by now, and the other way round.
    await given.chown(`/${name}`, 999, 999)
    expect(await given.seen(`/${name}`)).toEqual({ uid: 999, gid: 999, mode })
    await given.chown(`/${name}`, USER.uid, USER.gid)
    expect((await given.seen(`/${name}`)).mode).toBe(mode)
    await given.chmod(`/${name}`, 0o750)
    expect((await given.seen(`/${name}`)).mode).toBe(0o750)
    expect(given.owners.empty).toBe(true)
  })
}

for (const [name, mode] of [
  ['f', 0o444],
  ['f', 0o755],
  ['d', 0o1777],
  ['d', 0o700],
] as const) {
  test(`${name}: mode ${mode.toString(8)} is the host’s`, async () => {
    const given = await share()
    await given.chmod(`/${name}`, mode)
    expect(await hostMode(given, name)).toBe(mode)
    expect(given.owners.empty).toBe(true)
  })
}

test('a mode set on the host counts more than one kept', async () => {
  const given = await share()
  await given.chmod('/f', 0o4755)
  await fs.chmod(path.join(given.root, 'f'), 0o600)
  expect((await given.seen('/f')).mode).toBe(0o600)
})

test('a bit that the host drops without a word is kept', async () => {
  const owners = new Owners(USER)
  // As chmod(2) does with the set-group-id bit for a group that the host's user is not in.
  const folder = at({ mode: 0o040755, isDirectory: () => true })
  const file = {
    chmod: (mode: number) => Promise.resolve(void (folder.mode = 0o040000 | (mode & 0o1777))),
    look: () => Promise.resolve(folder),
  }
  await setMode(owners, file, at({ mode: 0o040755, isDirectory: () => true }), 0o2775)
  expect(folder.mode).toBe(0o040775)
  expect(owners.asSeen(folder).mode).toBe(0o042775)
})

test('new files get exactly the mode asked for, existing ones keep theirs', async () => {
  const given = await share()
  const { client } = given
  const before = process.umask(0o077)
  try {
    for (const [at, mode] of [0o666, 0o644, 0o444, 0o751, 0o200, 0].entries()) {
      const made = await client.open(`/new${at}`, Fxf.WRITE | Fxf.CREAT | Fxf.EXCL, { mode })
      expect((await client.write(made.handle ?? '', 0, 'x')).status).toBe(Fx.OK)
      expect((await given.seen(`/new${at}`)).mode).toBe(mode)
      expect(await hostMode(given, `new${at}`)).toBe(mode | 0o400)
      expect((await client.path(Fxp.MKDIR, `/folder${at}`, { mode })).status).toBe(Fx.OK)
      expect((await given.seen(`/folder${at}`)).mode).toBe(mode)
      expect(await hostMode(given, `folder${at}`)).toBe(mode | 0o700)
    }
    expect((await client.open('/f', Fxf.WRITE | Fxf.CREAT, { mode: 0o777 })).type).toBe(Fxp.HANDLE)
    expect(await hostMode(given, 'f')).toBe(0o644)
    expect((await client.open('/f', Fxf.WRITE | Fxf.CREAT | Fxf.EXCL)).status).toBe(Fx.FAILURE)
  } finally {
    process.umask(before)
  }
})

test('what is made in a folder that was given away is its owner’s', async () => {
  const given = await share()
  const { client } = given
  await given.chown('/d', 999, 998)
  await client.open('/d/file', Fxf.WRITE | Fxf.CREAT, { mode: 0o600 })
  await client.path(Fxp.MKDIR, '/d/sub', { mode: 0o700 })
  await client.open('/d/sub/file', Fxf.WRITE | Fxf.CREAT, { mode: 0 })
  await client.two(Fxp.SYMLINK, 'file', '/d/link')
  for (const [name, mode] of [
    ['/d/file', 0o600],
    ['/d/sub', 0o700],
    ['/d/sub/file', 0],
    ['/d/link', 0o777],
  ] as const) {
    expect(await given.seen(name)).toEqual({ uid: 999, gid: 998, mode })
  }
  // One that was there before is not made.
  await fs.writeFile(path.join(given.root, 'd', 'hosts'), '')
  await client.open('/d/hosts', Fxf.WRITE | Fxf.CREAT, { mode: 0o600 })
  expect(await given.seen('/d/hosts')).toMatchObject(USER)
  await client.open('/g', Fxf.WRITE | Fxf.CREAT, { mode: 0o600 })
  expect(await given.seen('/g')).toMatchObject(USER)
})

test('a file that nobody may write is written when the guest’s kernel allowed it, and stays so', async () => {
  const given = await share()
  const { client } = given
  await given.chmod('/f', 0o444)
  const { handle = '', message } = await client.open('/f', Fxf.READ | Fxf.WRITE | Fxf.APPEND)
  expect(message).toBeUndefined()
  expect((await client.write(handle, 0, 'more')).status).toBe(Fx.OK)
  expect(await hostMode(given, 'f')).toBe(0o444)
  expect((await client.path(Fxp.SETSTAT, '/f', { size: 6 })).status).toBe(Fx.OK)
  expect(await fs.readFile(path.join(given.root, 'f'), 'utf8')).toBe('textmo')
  expect((await client.open('/f', Fxf.WRITE | Fxf.CREAT | Fxf.TRUNC, { mode: 0o666 })).type).toBe(Fxp.HANDLE)
  expect(await given.seen('/f')).toEqual({ ...USER, mode: 0o444 })
  expect((await given.host('f')).size).toBe(0)
  // A host's folder locked by the host's user is none of the guest's to unlock.
  await fs.chmod(path.join(given.root, 'd'), 0o555)
  expect((await client.open('/d/new', Fxf.WRITE | Fxf.CREAT)).status).toBe(Fx.PERMISSION_DENIED)
  await fs.chmod(path.join(given.root, 'd'), 0o755)
})

test('a read-only share takes no owner and no mode', async () => {
  const owners = new Owners(USER)
  const { client, root } = await serve({ owners, writable: false })
  await fs.writeFile(path.join(root, 'f'), '')
  for (const attrs of [{ uid: 1, gid: 1 }, { mode: 0o4755 }]) {
    expect((await client.path(Fxp.SETSTAT, '/f', attrs)).status).toBe(Fx.PERMISSION_DENIED)
  }
  expect(owners.empty).toBe(true)
})
