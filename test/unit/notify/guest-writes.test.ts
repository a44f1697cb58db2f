import { describe, expect, test } from 'vitest'
import { GuestWrites } from '../../../src/notify/guest-writes.ts'

const left = { ino: 7, size: 3, mtimeMs: 1000.25, ctimeMs: 1000.25, mode: 0o100644 }

describe('what the guest left is an echo, anything else is the host’s', () => {
  test.each([
    ['as it was left', left, true],
    ['more fields, as fs.Stats has', { ...left, atimeMs: 5, uid: 0 }, true],
    ['another file', { ...left, ino: 8 }, false],
    ['another size', { ...left, size: 4 }, false],
    ['another time of writing', { ...left, mtimeMs: 1000.5 }, false],
    ['another time of change', { ...left, ctimeMs: 1000.5 }, false],
    ['another mode', { ...left, mode: 0o100600 }, false],
    ['gone', undefined, false],
  ])('%s', (_, now, echo) => {
    const writes = new GuestWrites()
    writes.wrote('/s/f', left)
    expect(writes.isEcho('/s/f', now)).toBe(echo)
    expect(writes.isEcho('/s/other', now)).toBe(false)
  })
})

test('one change of the guest may be heard of many times', () => {
  const writes = new GuestWrites()
  writes.wrote('/f', left)
  expect([1, 2, 3].map(() => writes.isEcho('/f', left))).toEqual([true, true, true])
})

test('what the guest deleted is an echo while it is gone; not when the host deleted it anew', () => {
  const writes = new GuestWrites()
  writes.wrote('/f', undefined)
  expect(writes.isEcho('/f', undefined)).toBe(true)
  expect(writes.isEcho('/f', left)).toBe(false)
  expect(writes.isEcho('/f', undefined)).toBe(false)
})

test('a host’s edit after the guest’s is told, and the guest’s next one is not', () => {
  const writes = new GuestWrites()
  writes.wrote('/f', left)
  const edited = { ...left, size: 9, mtimeMs: 2000, ctimeMs: 2000 }
  expect(writes.isEcho('/f', edited)).toBe(false)
  expect(writes.isEcho('/f', edited)).toBe(false)
  writes.wrote('/f', edited)
  expect(writes.isEcho('/f', edited)).toBe(true)
})

test('it keeps what it was given, not what became of that', () => {
  const writes = new GuestWrites()
  const stats = { ...left }
  writes.wrote('/f', stats)
  stats.size = 100
  expect(writes.isEcho('/f', left)).toBe(true)
})

test('while the guest has a file open for writing, everything about it is an echo', () => {
  const writes = new GuestWrites()
  writes.opened('/f')
  writes.opened('/f')
  expect(writes.isEcho('/f', left)).toBe(true)
  writes.closed('/f')
  expect(writes.isEcho('/f', { ...left, size: 8 })).toBe(true)
  writes.wrote('/f', left)
  writes.closed('/f')
  expect(writes.isEcho('/f', left)).toBe(true)
  expect(writes.isEcho('/f', { ...left, size: 8 })).toBe(false)
  writes.closed('/f')
  writes.opened('/f')
  expect(writes.isEcho('/f', undefined)).toBe(true)
})

test('beyond its limit it forgets the paths untouched longest', () => {
  const writes = new GuestWrites(3)
  for (const path of ['/a', '/b', '/c']) writes.wrote(path, left)
  writes.wrote('/a', left)
  writes.wrote('/d', left)
  expect(['/a', '/b', '/c', '/d'].map((path) => writes.isEcho(path, left))).toEqual([true, false, true, true])
  for (const path of ['/1', '/2', '/3', '/4']) writes.opened(path)
  expect(writes.isEcho('/1', left)).toBe(false)
  expect(writes.isEcho('/4', left)).toBe(true)
})
