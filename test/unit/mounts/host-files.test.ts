import fs from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it, type MockInstance, vi } from 'vitest'
import { HostFiles } from '../../../src/mounts/host-files.ts'

let folder = ''
const inside = (name: string) => Buffer.from(path.join(folder, name), 'utf8')

beforeAll(() => {
  folder = fs.realpathSync(fs.mkdtempSync(path.join(tmpdir(), 'tcolima-files-')))
  fs.writeFileSync(path.join(folder, 'file'), 'four')
  fs.symlinkSync('file', path.join(folder, 'link'))
  fs.mkdirSync(path.join(folder, 'folder/inner'), { recursive: true })
  fs.writeFileSync(path.join(folder, 'folder/file'), '')
  fs.symlinkSync('folder', path.join(folder, 'to-folder'))
})
afterAll(() => fs.rmSync(folder, { recursive: true }))

// Without a root everything goes through the pool; with a local one most is done at once.
describe.each(['pool', 'at once'])('looks at the host, %s', (way) => {
  const files = new HostFiles()
  beforeAll(() => {
    if (way === 'at once') files.setRoot(folder)
  })

  it('does not follow the last name', async () => {
    expect((await files.lstat(inside('link'))).isSymbolicLink()).toBe(true)
  })

  it.each([
    ['.', true],
    ['folder/inner', true],
    ['to-folder/inner', false],
    ['folder/file', false],
    ['folder/none/inner', false],
    [`folder/${'x'.repeat(300)}`, false],
  ])('says whether %s is a folder with no link on the way', (name, straight) => {
    expect(files.isStraight(path.join(folder, name))).toBe(straight && way === 'at once')
  })

  it('the root of all is straight', () => {
    expect(files.isStraight('/')).toBe(way === 'at once')
  })

  it('opens, and makes only when told to', async () => {
    const { O_CREAT, O_EXCL, O_RDONLY, O_WRONLY } = fs.constants
    const fd = await files.open(inside('file'), O_RDONLY, 0)
    expect((await files.fstat(fd)).size).toBe(4)
    fs.closeSync(fd)
    const made = await files.open(inside(way), O_WRONLY | O_CREAT | O_EXCL, 0o600)
    expect((await files.fstat(made)).mode & 0o777).toBe(0o600)
    fs.closeSync(made)
  })

  it('makes, writes, reads and removes', async () => {
    const made = `made ${way}`
    await files.mkdir(inside(made), 0o700)
    const { O_CREAT, O_EXCL, O_RDWR } = fs.constants
    const fd = await files.open(inside(`${made}/file`), O_RDWR | O_CREAT | O_EXCL, 0o600)
    // More than is done at once, behind something that is.
    const large = Buffer.alloc(2 << 20, 'x')
    await files.write(fd, Buffer.from('head'), 0)
    await files.write(fd, large, 4)
    const [start, all] = [Buffer.alloc(8), Buffer.alloc(64 * 1024)]
    expect(await files.read(fd, start, 0, 8, 0)).toBe(8)
    expect(await files.read(fd, all, 0, all.length, 0)).toBe(all.length)
    expect(String(start)).toBe('headxxxx')
    expect((await files.fstat(fd)).size).toBe(large.length + 4)
    fs.closeSync(fd)
    await expect(files.rmdir(inside(made))).rejects.toMatchObject({ code: 'ENOTEMPTY' })
    await files.unlink(inside(`${made}/file`))
    await files.rmdir(inside(made))
    expect(fs.existsSync(inside(made))).toBe(false)
  })

  it('reads from a place of a file into a place of a buffer', async () => {
    const fd = fs.openSync(inside('file'), 'r')
    const into = Buffer.from('......')
    expect(await files.read(fd, into, 2, 2, 1)).toBe(2)
    expect(String(into)).toBe('..ou..')
    expect(await files.read(fd, into, 0, 6, 4)).toBe(0)
    await files.close(fd)
    expect(() => fs.fstatSync(fd)).toThrow('EBADF')
  })

  it('sets modes and times of a file, and times of a link', async () => {
    const [file, link] = [inside(`set ${way}`), inside(`link to set ${way}`)]
    fs.writeFileSync(file, '')
    await files.symlink(Buffer.from(`set ${way}`), link)
    expect(String(await files.readlink(link))).toBe(`set ${way}`)
    const fd = fs.openSync(file, 'r+')
    await files.chmod(file, 0o640)
    expect(fs.fstatSync(fd).mode & 0o777).toBe(0o640)
    await files.fchmod(fd, 0o600)
    expect(fs.fstatSync(fd).mode & 0o777).toBe(0o600)
    await files.futimes(fd, 1, 2)
    expect(fs.fstatSync(fd)).toMatchObject({ atimeMs: 1000, mtimeMs: 2000 })
    await files.lutimes(link, 3, 4)
    expect(fs.lstatSync(link)).toMatchObject({ atimeMs: 3000, mtimeMs: 4000 })
    expect(fs.fstatSync(fd).mtimeMs).toBe(2000)
    await files.close(fd)
  })

  it('renames over what is there, and links', async () => {
    const [from, to, linked] = ['from', 'to', 'linked'].map((name) => inside(`${name} ${way}`)) as [
      Buffer,
      Buffer,
      Buffer,
    ]
    fs.writeFileSync(from, 'new')
    fs.writeFileSync(to, Buffer.alloc(2 << 20))
    await files.rename(from, to)
    await files.link(to, linked)
    expect(fs.readFileSync(linked, 'utf8')).toBe('new')
    fs.writeFileSync(from, 'newer')
    await files.rename(from, to)
    expect(fs.readFileSync(to, 'utf8')).toBe('newer')
    await expect(files.link(linked, to)).rejects.toMatchObject({ code: 'EEXIST' })
  })

  it('gives the names of a folder as byte strings, and then none', async () => {
    const names = inside(`names ${way}`)
    fs.mkdirSync(names)
    const given = [...Array.from({ length: 70 }, (_, n) => String(n)), '\xff\xfe']
    for (const name of given) fs.writeFileSync(Buffer.concat([names, Buffer.from(`/${name}`, 'latin1')]), '')
    const dir = await files.opendir(names, 32)
    const found: string[] = []
    for (let name = await files.nextName(dir); name !== undefined; name = await files.nextName(dir)) {
      found.push(name)
    }
    expect(found.toSorted()).toEqual(given.toSorted())
    await files.closedir(dir)
    await expect(files.nextName(dir)).rejects.toMatchObject({ code: 'ERR_DIR_CLOSED' })
  })

  it('rejects with the error of the system', async () => {
    const none = inside('none')
    const steps = [
      () => files.lstat(none),
      () => files.open(none, fs.constants.O_RDONLY, 0),
      () => files.unlink(none),
      () => files.rmdir(none),
      () => files.mkdir(inside('none/inner'), 0o700),
      () => files.chmod(none, 0o600),
      () => files.lutimes(none, 1, 1),
      () => files.rename(none, inside('file')),
      () => files.link(none, inside('other')),
      () => files.symlink(none, inside('none/inner')),
      () => files.readlink(none),
      () => files.opendir(none, 32),
    ]
    for (const step of steps) await expect(step()).rejects.toMatchObject({ code: 'ENOENT' })
    const closed = [
      () => files.fstat(1_000_000),
      () => files.fchmod(1_000_000, 0o600),
      () => files.futimes(1_000_000, 1, 1),
      () => files.close(1_000_000),
    ]
    for (const step of closed) await expect(step()).rejects.toMatchObject({ code: 'EBADF' })
  })
})

/** By the clock nothing takes long: a test that had to wait for a processor would find the disk busy. */
function standStill(): void {
  let clock: MockInstance<typeof performance.now> | undefined
  beforeAll(() => {
    clock = vi.spyOn(performance, 'now').mockReturnValue(1_000_000)
  })
  afterAll(() => clock?.mockRestore())
}

// What takes the longer the larger a file is must not hold up all else.
describe.each([
  { size: 10, folder: 1, atOnce: true },
  { size: 2 << 20, folder: 2000, atOnce: false },
])('files of $size bytes and folders of $folder names', ({ size, folder: count, atOnce }) => {
  standStill()
  const files = new HostFiles()
  const steps: [keyof typeof fs & `${string}Sync`, (file: Buffer) => Promise<unknown>][] = [
    ['chmodSync', (file) => files.chmod(file, 0o640)],
    ['lutimesSync', (file) => files.lutimes(file, 1, 1)],
    ['linkSync', (file) => files.link(file, inside(`linked ${size}`))],
    ['unlinkSync', () => files.unlink(inside(`linked ${size}`))],
    ['fchmodSync', (file) => withOpen(file, (fd) => files.fchmod(fd, 0o600))],
    ['futimesSync', (file) => withOpen(file, (fd) => files.futimes(fd, 2, 2))],
    ['openSync', async (file) => fs.closeSync(await files.open(file, fs.constants.O_RDWR, 0))],
    ['closeSync', async (file) => files.close(await files.open(file, fs.constants.O_RDONLY, 0))],
    ['renameSync', (file) => files.rename(file, inside('small'))],
    ['renameSync', () => files.rename(inside('smaller'), inside('small'))],
  ]
  const withOpen = async (file: Buffer, work: (fd: number) => Promise<void>) => {
    const fd = fs.openSync(file, 'r+')
    await work(fd)
    fs.closeSync(fd)
  }

  beforeAll(() => {
    files.setRoot(folder)
    fs.writeFileSync(inside(`sized ${size}`), Buffer.alloc(size))
    for (const name of ['small', 'smaller']) fs.writeFileSync(inside(name), '')
    fs.mkdirSync(inside(`long ${size}`))
    for (let n = 0; n < count; n++)
      fs.writeFileSync(inside(`long ${size}/${String(n).padStart(200, 'x')}`), '')
  })

  it.each(steps.map(([name, step]) => ({ name, step })))(
    `$name is used: ${atOnce}`,
    async ({ name, step }) => {
      const used = vi.spyOn(fs, name)
      await step(inside(`sized ${size}`))
      const times = used.mock.calls.length
      used.mockRestore()
      expect(times).toBe(atOnce ? 1 : 0)
    },
  )

  it(`folders are listed and removed at once: ${atOnce}`, async () => {
    const [opens, removes] = [vi.spyOn(fs, 'opendirSync'), vi.spyOn(fs, 'rmdirSync')]
    const dir = await files.opendir(inside(`long ${size}`), 32)
    const reads = vi.spyOn(dir, 'readSync')
    const names: string[] = []
    for (let name = await files.nextName(dir); name !== undefined; name = await files.nextName(dir)) {
      names.push(name)
    }
    await files.closedir(dir)
    expect(names).toHaveLength(count)
    for (const name of names) fs.unlinkSync(inside(`long ${size}/${name}`))
    await files.rmdir(inside(`long ${size}`))
    expect([opens, reads, removes].map((used) => used.mock.calls.length > 0)).toEqual([
      atOnce,
      atOnce,
      atOnce,
    ])
    for (const used of [opens, removes]) used.mockRestore()
  })
})

describe('while a file is brought to the disk', () => {
  standStill()
  it('changes, links and listings go through the pool', async () => {
    const files = new HostFiles()
    files.setRoot(folder)
    const used = (['chmodSync', 'readlinkSync', 'opendirSync'] as const).map((name) => vi.spyOn(fs, name))
    const fd = fs.openSync(inside('file'), 'r+')
    const dir = await files.opendir(inside('folder'), 32)
    const brought = files.sync(fd)
    await Promise.all([
      files.chmod(inside('file'), 0o600),
      files.readlink(inside('link')),
      files.opendir(inside('folder'), 32).then((other) => other.close()),
    ])
    expect(used.map((one) => one.mock.calls.length)).toEqual([0, 0, 1])
    for (const one of used) one.mockRestore()
    await brought
    // A listing that began at once goes on in the pool, and the other way round.
    const names = [await files.nextName(dir)]
    const again = files.sync(fd)
    names.push(await files.nextName(dir))
    await again
    names.push(await files.nextName(dir))
    expect(new Set(names)).toEqual(new Set(['file', 'inner', undefined]))
    await files.closedir(dir)
    fs.closeSync(fd)
  })
})

it('lets a disk rest that was waited for, longer when that took longer', async () => {
  const restAfter = async (ms: number) => {
    const files = new HostFiles()
    files.setRoot(folder)
    const began = performance.now()
    files.ifQuick(() => {
      while (performance.now() - began < ms);
    })
    await vi.waitFor(() => expect(files.ifQuick(() => 'done')).toBe('done'), { timeout: 5000, interval: 5 })
    return performance.now() - began
  }
  expect(await restAfter(6)).toBeGreaterThan(240)
  expect(await restAfter(100)).toBeGreaterThan(2000)
})
