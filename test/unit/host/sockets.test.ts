import { chmod, lstat, mkdir, mkdtemp, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  connectablePath,
  ensurePrivateDir,
  prepareSocketPath,
  removeSocket,
  socketPath,
} from '../../../src/host/sockets.ts'

const uid = process.getuid!()
const bytes = (text: string) => Buffer.byteLength(text)
const dirOf = (total: number, name: string) => `/${'d'.repeat(total - 2 - bytes(name))}`

describe('socketPath', () => {
  test.each([
    ['linux', 107, false],
    ['linux', 108, true],
    ['darwin', 103, false],
    ['darwin', 104, true],
  ] as const)('%s, %d bytes: moved %s', (platform, total, moved) => {
    const dir = dirOf(total, 'a.sock')
    expect(bytes(path.join(dir, 'a.sock'))).toBe(total)
    const result = socketPath(dir, 'a.sock', platform, 501)
    expect(result.link).toBe(moved ? path.join(dir, 'a.sock') : undefined)
    if (moved) expect(result.path).toMatch(/^\/tmp\/tcolima-501\/[0-9a-f]{16}-a\.sock$/)
  })

  test('counts bytes, not characters', () => {
    expect(socketPath(`/${'ä'.repeat(60)}`, 'a.sock', 'linux', 1).link).toBeDefined()
  })

  test('always fits, and two sockets never share a path', () => {
    const name = fc.stringMatching(/^[a-z.]{1,120}$/).filter((each) => each !== '.' && each !== '..')
    const dir = fc.stringMatching(/^\/[a-z]{100,140}$/)
    fc.assert(
      fc.property(
        dir,
        name,
        dir,
        name,
        fc.constantFrom('linux', 'darwin'),
        (dirA, nameA, dirB, nameB, platform) => {
          const a = socketPath(dirA, nameA, platform, 4_294_967_295)
          const b = socketPath(dirB, nameB, platform, 4_294_967_295)
          expect(bytes(a.path)).toBeLessThanOrEqual(platform === 'linux' ? 107 : 103)
          expect(a.path === b.path).toBe(dirA === dirB && nameA === nameB)
        },
      ),
    )
  })
})

describe('prepareSocketPath', () => {
  let dir: string
  beforeEach(async () => {
    dir = await mkdtemp(path.join(os.tmpdir(), 'tcolima-sock-'))
  })
  afterEach(async () => {
    await rm(dir, { recursive: true, force: true })
  })
  const longDir = async () => {
    const long = path.join(dir, 'l'.repeat(120))
    await mkdir(long, { recursive: true })
    return long
  }

  test('makes a private folder and a link; again replaces the link; remove takes both away', async () => {
    const long = await longDir()
    for (let round = 0; round < 2; round++) {
      const made = await prepareSocketPath(long, 'a.sock', { platform: 'linux', uid })
      expect(await readlink(made.link!)).toBe(made.path)
      expect(connectablePath(made.link!, 'linux')).toBe(made.path)
      expect((await stat(path.dirname(made.path))).mode & 0o777).toBe(0o700)
      await writeFile(made.path, '')
    }
    const link = path.join(long, 'a.sock')
    const target = await readlink(link)
    await removeSocket(link, 'linux')
    await removeSocket(link, 'linux')
    await expect(lstat(link)).rejects.toThrow('ENOENT')
    await expect(lstat(target)).rejects.toThrow('ENOENT')
  })

  test('takes rights of others away from our folder, refuses a link, a file, and a folder of someone else', async () => {
    const own = path.join(dir, 'own')
    await mkdir(own)
    await chmod(own, 0o755)
    await ensurePrivateDir(own, uid)
    expect((await stat(own)).mode & 0o777).toBe(0o700)
    await symlink(own, path.join(dir, 'link'))
    await writeFile(path.join(dir, 'file'), '')
    await expect(ensurePrivateDir(path.join(dir, 'link'), uid)).rejects.toMatchObject({ code: 'host' })
    await expect(ensurePrivateDir(path.join(dir, 'file'), uid)).rejects.toMatchObject({ code: 'host' })
    await expect(ensurePrivateDir(own, uid + 1)).rejects.toMatchObject({ code: 'host' })
  })
})
