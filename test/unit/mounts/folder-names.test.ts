import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { FolderNames } from '../../../src/mounts/folder-names.ts'

let folder = ''
beforeEach(() => {
  folder = path.join(mkdtempSync(path.join(tmpdir(), 'tcolima-names-')), 'own')
  mkdirSync(folder)
})
afterEach(() => rmSync(path.dirname(folder), { recursive: true }))

function fill(...names: string[]) {
  for (const name of names) writeFileSync(path.join(folder, name), '')
}

test('gives all names, and none of a folder with more', () => {
  fill('a', 'b')
  expect(new FolderNames().whole(folder, 2, false)?.toSorted()).toEqual(['a', 'b'])
  expect(new FolderNames().whole(folder, 1, false)).toBeUndefined()
  expect(() => new FolderNames().whole(path.join(folder, 'none'), 1, false)).toThrow('ENOENT')
})

test('of a folder without letters only one that was just made is told: it is as the folder it is in', () => {
  fill('1', '2')
  expect(new FolderNames().whole(folder, 10, false)).toBeUndefined()
  expect(new FolderNames().whole(folder, 10, true)).toHaveLength(2)
})

// What a file system does that takes both cases for one.
const oneCase = () => true

test.each([
  ['of several', ['1', 'read.me'], false],
  ['none, by its own', [], true],
])(
  'a folder whose file system does not tell upper and lower case apart is not told: %s',
  (_, names, made) => {
    fill(...names)
    expect(new FolderNames().whole(folder, 10, made)).toHaveLength(names.length)
    expect(new FolderNames(oneCase).whole(folder, 10, made)).toBeUndefined()
  },
)

test('both cases side by side are two files', () => {
  fill('a', 'A')
  expect(new FolderNames(oneCase).whole(folder, 10, false)?.toSorted()).toEqual(['A', 'a'])
})

test('a folder without letters, in one that is known, is told when it was just made, and later', () => {
  const names = new FolderNames()
  const inner = path.join(folder, '1')
  mkdirSync(inner)
  expect(names.whole(inner, 10, true)).toBeUndefined()
  expect(names.whole(folder, 10, true)).toEqual(['1'])
  expect(names.whole(inner, 10, false)).toBeUndefined()
  expect(names.whole(inner, 10, true)).toEqual([])
  writeFileSync(path.join(inner, '2'), '')
  expect(names.whole(inner, 10, false)).toEqual(['2'])
})

test('what was remembered of a folder counts for a minute, and not for another one at its path', () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  try {
    const names = new FolderNames()
    expect(names.whole(folder, 10, true)).toEqual([])
    vi.advanceTimersByTime(59_000)
    expect(names.whole(folder, 10, false)).toEqual([])
    vi.advanceTimersByTime(61_000)
    expect(names.whole(folder, 10, false)).toBeUndefined()
    expect(names.whole(folder, 10, true)).toEqual([])
    renameSync(folder, `${folder}-before`)
    mkdirSync(folder)
    expect(names.whole(folder, 10, false)).toBeUndefined()
  } finally {
    vi.useRealTimers()
  }
})
