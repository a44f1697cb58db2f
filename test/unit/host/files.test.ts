import { chmod, lstat, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ensureDir, freeSpace, readJson, writeFileAtomic } from '../../../src/host/files.ts'

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(path.join(os.tmpdir(), 'tcolima-files-'))
})
afterEach(async () => {
  await rm(dir, { recursive: true, force: true })
})

test('writes with the mode asked for and leaves nothing beside it', async () => {
  const file = path.join(dir, 'a')
  await writeFileAtomic(file, 'one', 0o666)
  await writeFileAtomic(file, Buffer.from('two'), 0o640)
  expect(await readFile(file, 'utf8')).toBe('two')
  expect((await stat(file)).mode & 0o777).toBe(0o640)
  expect(await readdir(dir)).toEqual(['a'])
})

test('follows a symbolic link instead of replacing it', async () => {
  await writeFile(path.join(dir, 'real'), 'old')
  await symlink('real', path.join(dir, 'link'))
  await writeFileAtomic(path.join(dir, 'link'), 'new')
  expect((await lstat(path.join(dir, 'link'))).isSymbolicLink()).toBe(true)
  expect(await readFile(path.join(dir, 'real'), 'utf8')).toBe('new')
})

test('a failed write keeps the old file and cleans up', async () => {
  await ensureDir(path.join(dir, 'folder', 'full'))
  await expect(writeFileAtomic(path.join(dir, 'folder'), 'x')).rejects.toMatchObject({ name: 'TcolimaError' })
  expect(await readdir(dir)).toEqual(['folder'])
})

test('readJson: value, missing file, broken file', async () => {
  await writeFile(path.join(dir, 'good'), '{"a":1}')
  await writeFile(path.join(dir, 'bad'), '{')
  expect(readJson(path.join(dir, 'good'))).toEqual({ a: 1 })
  expect(readJson(path.join(dir, 'none'))).toBeUndefined()
  expect(readJson(path.join(dir, 'good', 'none'))).toBeUndefined()
  expect(() => readJson(path.join(dir, 'bad'))).toThrow(/bad is not valid JSON/)
})

test('ensureDir: makes the folders above, keeps the mode of one that exists, explains a file in the way', async () => {
  const deep = path.join(dir, 'a', 'b')
  await ensureDir(deep, 0o700)
  expect((await stat(deep)).mode & 0o777).toBe(0o700)
  await chmod(deep, 0o750)
  await ensureDir(deep, 0o700)
  expect((await stat(deep)).mode & 0o777).toBe(0o750)
  await writeFile(path.join(dir, 'file'), '')
  await expect(ensureDir(path.join(dir, 'file'))).rejects.toMatchObject({ code: 'host' })
  await expect(ensureDir(path.join(dir, 'file', 'x'))).rejects.toMatchObject({ code: 'host' })
})

test('freeSpace of a folder that is not there yet is that of the one above', async () => {
  expect(await freeSpace(path.join(dir, 'no', 'such'))).toBeGreaterThan(0)
})
