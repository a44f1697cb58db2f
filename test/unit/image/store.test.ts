import { mkdir, mkdtemp, readFile, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { findImage, imageFolder, recordImage } from '../../../src/image/store.ts'

const digest = '0123456789abcdef'
const parts = ['root.img', 'kernel', 'initrd']
let images: string
let folder: string
const record = () => path.join(folder, 'image.json')

beforeEach(async () => {
  images = await mkdtemp(path.join(os.tmpdir(), 'tcolima-images-'))
  folder = imageFolder(images, digest)
  await mkdir(folder)
  for (const part of parts) await writeFile(path.join(folder, part), `content of ${part}`)
  await recordImage(folder, digest, ['root', 'docker'])
})
afterEach(async () => {
  await rm(images, { recursive: true, force: true })
})

test('a whole image is found, with its parts and the names in it', async () => {
  const image = await findImage(images, digest)
  expect(image).toMatchObject({
    digest,
    names: ['root', 'docker'],
    root: path.join(folder, 'root.img'),
    kernel: path.join(folder, 'kernel'),
    initrd: path.join(folder, 'initrd'),
  })
  expect(image?.sha256).toMatch(/^[0-9a-f]{64}$/)
})

test('another digest is another image; no store has none', async () => {
  expect(await findImage(images, 'fedcba9876543210')).toBeUndefined()
  expect(await findImage(path.join(images, 'none'), digest)).toBeUndefined()
})

describe.each(parts)('%s', (part) => {
  const file = () => path.join(folder, part)

  test('missing', async () => {
    await rm(file())
    expect(await findImage(images, digest)).toBeUndefined()
  })
  test('truncated', async () => {
    await truncate(file(), 3)
    expect(await findImage(images, digest)).toBeUndefined()
  })
  test('longer', async () => {
    await writeFile(file(), 'x', { flag: 'a' })
    expect(await findImage(images, digest)).toBeUndefined()
  })
  test('other content of the same length', async () => {
    await writeFile(file(), `CONTENT of ${part}`)
    await utimes(file(), 1, 1)
    expect(await findImage(images, digest)).toBeUndefined()
  })
  test('a folder in its place', async () => {
    await rm(file())
    await mkdir(file())
    expect(await findImage(images, digest)).toBeUndefined()
  })
  test('only touched: still the image, and the new time is remembered', async () => {
    const before = await findImage(images, digest)
    await utimes(file(), 1000, 1000)
    expect(await findImage(images, digest)).toEqual(before)
    const remembered = await readFile(record(), 'utf8')
    expect(JSON.parse(remembered).parts[part].mtimeMs).toBe(1_000_000)
    // The next look has nothing to write.
    const { ino } = await stat(record())
    expect(await findImage(images, digest)).toEqual(before)
    expect((await stat(record())).ino).toBe(ino)
  })
})

describe('the record', () => {
  test('missing: an image that was not finished', async () => {
    await rm(record())
    expect(await findImage(images, digest)).toBeUndefined()
  })
  test.each([
    ['empty', ''],
    ['cut short', '{"version":1,"digest"'],
    ['null', 'null'],
    ['another format', '{"version":2}'],
    ['without parts', '{"version":1,"digest":"0123456789abcdef","names":[]}'],
    ['with a part missing', '{"version":1,"names":[],"parts":{"root.img":{},"kernel":{}}}'],
    ['binary', '\u0000\u0001'],
  ])('%s: built again', async (_, text) => {
    await writeFile(record(), text)
    expect(await findImage(images, digest)).toBeUndefined()
  })
  test('a folder in its place', async () => {
    await rm(record())
    await mkdir(record())
    expect(await findImage(images, digest)).toBeUndefined()
  })
})

test('two builds with other content have another sha256 under one digest', async () => {
  const before = await findImage(images, digest)
  await writeFile(path.join(folder, 'root.img'), 'built anew')
  await recordImage(folder, digest, [])
  expect((await findImage(images, digest))?.sha256).not.toBe(before?.sha256)
})

test('a part that is missing cannot be recorded', async () => {
  await rm(path.join(folder, 'kernel'))
  await expect(recordImage(folder, digest, [])).rejects.toMatchObject({ code: 'ENOENT' })
})
