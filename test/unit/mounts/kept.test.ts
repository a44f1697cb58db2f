import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type Kept, KeptFiles } from '../../../src/mounts/kept.ts'

/** Bytes that the disk still takes; undefined: any number. */
let room: number | undefined
vi.mock('node:fs', async (original) => {
  const fs = await original<typeof import('node:fs')>()
  const writeSync = (fd: number, bytes: Buffer, at: number) => {
    if (room === undefined) return fs.writeSync(fd, bytes, at)
    if (room === 0) throw Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' })
    const count = fs.writeSync(fd, bytes, at, Math.min(room, bytes.length - at))
    room -= count
    return count
  }
  return { ...fs, writeSync }
})

let folder: string
let file: string
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'tcolima-kept-'))
  file = path.join(folder, 'owners')
})
afterEach(() => {
  rmSync(folder, { recursive: true, force: true })
})

const text = () => readFileSync(file, 'utf8')
const linesOf = () => text().split('\n').length - 1

/** What a process that starts now would find. */
function found(): Record<string, Kept> {
  const copy = path.join(folder, 'copy')
  writeFileSync(copy, text())
  const kept = new KeptFiles(copy)
  const all = Object.fromEntries(
    ['a', 'b', 'c'].flatMap((key) => {
      const entry = kept.get(key)
      return entry ? [[key, entry]] : []
    }),
  )
  kept.close()
  return all
}

test('every change is in the file when the call returns', () => {
  const kept = new KeptFiles(file)
  kept.set('a', { owner: [999, 998] })
  expect(found()).toEqual({ a: { owner: [999, 998] } })
  kept.set('b', { mode: [0o4755, 0o755] })
  kept.set('a', { owner: [1, 2], mode: [0, 0o400] })
  expect(found()).toEqual({ a: { owner: [1, 2], mode: [0, 0o400] }, b: { mode: [0o4755, 0o755] } })
  kept.delete('a')
  expect(found()).toEqual({ b: { mode: [0o4755, 0o755] } })
  expect(kept.size).toBe(1)
  kept.close()
})

test('a file cut at any byte gives what was whole, and takes more', () => {
  const kept = new KeptFiles(file)
  const states: { end: number; all: Record<string, Kept> }[] = [{ end: 0, all: {} }]
  const step = (change: () => void) => {
    change()
    states.push({ end: text().length, all: found() })
  }
  step(() => kept.set('a', { owner: [999, 999] }))
  step(() => kept.set('b', { owner: [5, 6], mode: [0o6755, 0o755] }))
  step(() => kept.delete('a'))
  step(() => kept.set('b', { owner: [7, 8] }))
  kept.close()
  const whole = text()
  for (let cut = 0; cut <= whole.length; cut++) {
    writeFileSync(file, whole.slice(0, cut))
    const expected = states.findLast(({ end }) => end <= cut)?.all
    expect(found()).toEqual(expected)
    // Whatever the writer left there, the next one's first line counts.
    const next = new KeptFiles(file)
    next.set('c', { owner: [1, 1] })
    next.close()
    expect(found()).toEqual({ ...expected, c: { owner: [1, 1] } })
  }
})

test('what is not ours is passed over', () => {
  writeFileSync(file, '')
  for (const line of [
    'null',
    '7',
    '{"file":3,"owner":[1,1]}',
    '{"file":"a","owner":[1]}',
    '\0\0\0',
    '{"file":"b"',
  ]) {
    appendFileSync(file, `\n${line}`)
  }
  appendFileSync(file, '\n{"file":"c","owner":[3,3],"more":1}')
  expect(found()).toEqual({ c: { owner: [3, 3] } })
})

test('there is no file as long as nothing is kept', () => {
  new KeptFiles(file).delete('a')
  expect(existsSync(file)).toBe(false)
})

test('the same again is not written again', () => {
  const kept = new KeptFiles(file)
  kept.set('a', { owner: [1, 1] })
  const before = text()
  kept.set('a', { owner: [1, 1] })
  kept.delete('b')
  expect(text()).toBe(before)
  kept.close()
})

test('the file is written anew when most of it is out of date', () => {
  const kept = new KeptFiles(file)
  for (let turn = 0; turn < 100; turn++) kept.set('a', { owner: [turn, turn] })
  kept.set('b', { mode: [0, 0o400] })
  expect(linesOf()).toBe(101)
  kept.close()
  const next = new KeptFiles(file)
  expect(linesOf()).toBe(2)
  next.set('c', { owner: [4, 4] })
  expect(found()).toEqual({ a: { owner: [99, 99] }, b: { mode: [0, 0o400] }, c: { owner: [4, 4] } })
  next.close()
})

test('it does not grow without end while it is open', () => {
  const kept = new KeptFiles(file)
  for (let turn = 0; turn < 25_000; turn++) kept.set('a', { owner: [turn, turn] })
  expect(linesOf()).toBeLessThan(11_000)
  expect(found()).toEqual({ a: { owner: [24_999, 24_999] } })
  kept.close()
})

test('nothing has changed when it cannot be written', () => {
  const kept = new KeptFiles(file)
  kept.set('a', { owner: [1, 1] })
  // As on a full disk: some bytes still fit, then no more.
  room = 5
  expect(() => kept.set('b', { owner: [1, 1] })).toThrow('ENOSPC')
  expect(() => kept.delete('a')).toThrow('ENOSPC')
  expect(kept.get('b')).toBeUndefined()
  expect(found()).toEqual({ a: { owner: [1, 1] } })
  room = undefined
  kept.set('c', { owner: [1, 1] })
  expect(found()).toEqual({ a: { owner: [1, 1] }, c: { owner: [1, 1] } })
  kept.close()
})

test('more files than the limit are refused, those kept are not', () => {
  const kept = new KeptFiles(undefined, 2)
  kept.set('a', { owner: [1, 1] })
  kept.set('b', { owner: [1, 1] })
  expect(() => kept.set('c', { owner: [1, 1] })).toThrow('too many')
  kept.set('a', { owner: [2, 2] })
  expect(kept.get('a')).toEqual({ owner: [2, 2] })
  kept.delete('b')
  kept.set('c', { owner: [1, 1] })
})

test('a file that shrank to nothing is an empty one', () => {
  const kept = new KeptFiles(file)
  kept.set('a', { owner: [1, 1] })
  kept.close()
  truncateSync(file, 0)
  expect(found()).toEqual({})
})
