import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { KnownFolders } from '../../../src/notify/known-folders.ts'

function file(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'tcolima-known-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return path.join(folder, 'folders')
}

test('keeps the folders that were looked at last', () => {
  const folders = new KnownFolders(2)
  expect(folders.add('/a')).toBeUndefined()
  expect(folders.add('/b')).toBeUndefined()
  expect(folders.add('/a')).toBeUndefined()
  expect(folders.add('/c')).toBe('/b')
  expect(folders.list()).toEqual(['/a', '/c'])
})

test('the next agent knows them too, but for a line that a kill cut off', () => {
  const kept = file()
  const first = new KnownFolders(10, kept)
  for (const folder of ['/a', '/b\n"', '/a']) first.add(folder)
  appendFileSync(kept, '"/cut')
  expect(new KnownFolders(10, kept).list()).toEqual(['/a', '/b\n"'])
})

test('a new client knows nothing', () => {
  const kept = file()
  const folders = new KnownFolders(10, kept)
  folders.add('/a')
  folders.clear()
  expect(folders.list()).toEqual([])
  expect(new KnownFolders(10, kept).list()).toEqual([])
  folders.add('/b')
  expect(new KnownFolders(10, kept).list()).toEqual(['/b'])
})

test('the file does not grow without end', async () => {
  const kept = file()
  const folders = new KnownFolders(3, kept)
  for (let n = 0; n < 7; n++) folders.add(`/${n}`)
  await vi.waitFor(() => expect(readFileSync(kept, 'utf8')).toBe('"/4"\n"/5"\n"/6"\n'))
  expect(new KnownFolders(3, kept).list()).toEqual(['/4', '/5', '/6'])
})

test('a file that cannot be written stops nothing', () => {
  const folders = new KnownFolders(3, '/dev/null/none')
  folders.add('/a')
  expect(folders.list()).toEqual(['/a'])
})
