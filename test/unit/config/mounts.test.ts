import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { checkMounts, type MountSpec, outerFirst, parseMountFlag } from '../../../src/config/mounts.ts'
import { errorOf } from './facts.ts'

const base = { home: '/home/ann', cwd: '/work' }
const mount = (location: string, mountPoint = location, writable = false): MountSpec => ({
  location,
  mountPoint,
  writable,
})

describe('parseMountFlag', () => {
  test.each<[string, MountSpec | 'none']>([
    ['none', 'none'],
    ['/src', mount('/src')],
    ['/src:w', mount('/src', '/src', true)],
    ['/src:rw', mount('/src', '/src', true)],
    ['/src:ro', mount('/src')],
    ['/src/', mount('/src')],
    ['/a//b/../c', mount('/a/c')],
    ['~', mount('/home/ann')],
    ['~/x:w', mount('/home/ann/x', '/home/ann/x', true)],
    ['.', mount('/work')],
    ['../up:/t', mount('/up', '/t')],
    ['./none', mount('/work/none')],
    ['/my folder:/their folder:w', mount('/my folder', '/their folder', true)],
    ['/src:/dest:ro', mount('/src', '/dest')],
    ['/tmp/x', mount('/tmp/x')],
    ['/var/folders/zz', mount('/var/folders/zz')],
    ['/usr/local/src', mount('/usr/local/src')],
    ['/library', mount('/library')],
    ['/etc:/host/etc', mount('/etc', '/host/etc')],
    ['w', mount('/work/w')],
  ])('%j', (text, spec) => expect(parseMountFlag(text, base)).toEqual(spec))

  test.each([
    ['', 'must have the form'],
    [':w', 'must have the form'],
    ['/a:x', 'must have the form'],
    ['/a:', 'must have the form'],
    ['/a:W', 'must have the form'],
    ['/a:rel/target', 'must have the form'],
    ['/a:/b:z', 'must have the form'],
    ['/a:/b:w:w', 'must have the form'],
    ['/a:~/b', 'must have the form'],
    ['~bob/x', 'absolute path or begin with ~/'],
    ['/a\n', 'control characters'],
    ['/a:/', 'nothing can be mounted at /:'],
    ['/', 'nothing can be mounted at /:'],
    ['/a:/etc', 'nothing can be mounted at /etc:'],
    ['/a:/etc/docker', 'nothing can be mounted at /etc/docker:'],
    ['/a:/x/../etc/', 'nothing can be mounted at /etc:'],
    ['/a:/lib64', 'nothing can be mounted at /lib64:'],
    ['/a:/tmp', 'nothing can be mounted at /tmp:'],
    ['/a:/usr/local', 'nothing can be mounted at /usr/local:'],
    ['/a:/var/lib/docker/volumes', 'nothing can be mounted at /var/lib/docker/volumes:'],
    ['/a:/home', 'nothing can be mounted at /home:'],
  ])('%j is refused', (text, message) => {
    const error = errorOf(() => parseMountFlag(text, base))
    expect(error.code).toBe('usage')
    expect(error.message).toContain(message)
  })

  // B13
  test.each([
    ...[
      '/',
      '/etc',
      '/usr',
      '/proc',
      '/sys',
      '/dev',
      '/run',
      '/var',
      '/bin',
      '/boot',
      '/home',
      '/tmp',
      '/lib',
    ],
    ...['/mnt/tcolima-data', '/mnt/tcolima-data/docker', '/home/ann.linux', '/home/ann.linux/.ssh'],
  ])('nothing is mounted at %s, which the guest needs', (target) => {
    expect(errorOf(() => parseMountFlag(`/a:${target}:w`, base)).message).toContain(
      `nothing can be mounted at ${target}: `,
    )
  })

  // B11
  test.each([
    '/mnt/x',
    '/opt/deep/er',
    '/Users/jane/x',
    '/Volumes/Data/x',
    '/workspace',
    '/home/ann.linux/src',
  ])('what is of no use to the guest is free: %s', (target) =>
    expect(parseMountFlag(`/a:${target}`, base)).toEqual(mount('/a', target)),
  )

  test('in a folder that is gone, only a relative path is refused', () => {
    const gone = { home: '/home/ann', cwd: undefined }
    expect(errorOf(() => parseMountFlag('src', gone)).message).toContain('no longer exists')
    expect(parseMountFlag('~/src', gone)).toEqual(mount('/home/ann/src'))
  })
})

test('a mount comes after the one it lies within', () => {
  const [inner, outer, other] = [mount('/a/b/c'), mount('/a'), mount('/z')]
  expect(outerFirst([inner, outer, other])).toEqual([outer, other, inner])
})

describe('checkMounts', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'tcolima mounts '))
  })
  afterEach(() => rm(folder, { recursive: true }))

  test('folders that are there pass', () => checkMounts([mount(folder)]))

  test('sshfs has no limit, the other types have one', async () => {
    const many = Array.from({ length: 30 }, () => mount(folder))
    await checkMounts(many)
    await expect(checkMounts(many, '9p')).rejects.toThrow(
      '30 folders are to be mounted, and with 9p 29 can be',
    )
  })

  test('a folder that is not there is named', async () => {
    const missing = path.join(folder, 'gone')
    await expect(checkMounts([mount(folder), mount(missing)])).rejects.toMatchObject({
      code: 'config',
      message: `cannot mount ${missing}: there is no such folder`,
    })
  })

  test('with the line that names it, where there is one', async () => {
    const missing = path.join(folder, 'gone')
    const lines = new Map([[missing, 'tcolima.yaml:3:5']])
    await expect(checkMounts([mount(missing)], 'sshfs', lines)).rejects.toThrow(
      `tcolima.yaml:3:5: cannot mount ${missing}: there is no such folder`,
    )
  })

  test('a file is not a folder', async () => {
    const file = path.join(folder, 'file')
    await writeFile(file, '')
    await expect(checkMounts([mount(file)])).rejects.toThrow(`cannot mount ${file}: it is not a folder`)
  })

  test.skipIf(process.getuid?.() === 0)('a folder that cannot be read is named', async () => {
    await chmod(folder, 0)
    await expect(checkMounts([mount(folder)])).rejects.toThrow(`cannot mount ${folder}`)
    await chmod(folder, 0o700)
  })
})
