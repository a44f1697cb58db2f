import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { wholeFolder } from '../../../src/mounts/folder-names.ts'

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
  expect(wholeFolder(folder, 2, false)?.toSorted()).toEqual(['a', 'b'])
  expect(wholeFolder(folder, 1, false)).toBeUndefined()
  expect(() => wholeFolder(path.join(folder, 'none'), 1, false)).toThrow('ENOENT')
})

test('of a folder without letters only one that was just made is told: it is as the folder it is in', () => {
  fill('1', '2')
  expect(wholeFolder(folder, 10, false)).toBeUndefined()
  expect(wholeFolder(folder, 10, true)).toHaveLength(2)
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
    expect(wholeFolder(folder, 10, made)).toHaveLength(names.length)
    expect(wholeFolder(folder, 10, made, oneCase)).toBeUndefined()
  },
)

test('both cases side by side are two files', () => {
  fill('a', 'A')
  expect(wholeFolder(folder, 10, false, oneCase)?.toSorted()).toEqual(['A', 'a'])
})
