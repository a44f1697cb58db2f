import fs from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
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
    expect(await files.readStart(fd, start)).toBe(8)
    expect(await files.readStart(fd, all)).toBe(all.length)
    expect(String(start)).toBe('headxxxx')
    expect((await files.fstat(fd)).size).toBe(large.length + 4)
    fs.closeSync(fd)
    await expect(files.rmdir(inside(made))).rejects.toMatchObject({ code: 'ENOTEMPTY' })
    await files.unlink(inside(`${made}/file`))
    await files.rmdir(inside(made))
    expect(fs.existsSync(inside(made))).toBe(false)
  })

  it('rejects with the error of the system', async () => {
    const none = inside('none')
    const steps = [
      () => files.lstat(none),
      () => files.open(none, fs.constants.O_RDONLY, 0),
      () => files.unlink(none),
      () => files.rmdir(none),
      () => files.mkdir(inside('none/inner'), 0o700),
    ]
    for (const step of steps) await expect(step()).rejects.toMatchObject({ code: 'ENOENT' })
    await expect(files.fstat(1_000_000)).rejects.toMatchObject({ code: 'EBADF' })
  })
})
