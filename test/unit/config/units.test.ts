import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formatSize, GIB, MIB, parseSize, plainNumber } from '../../../src/config/units.ts'

describe('parseSize', () => {
  test.each<[string | number, number | undefined]>([
    [2, 2 * GIB],
    [1.5, 1610612736],
    [0.8, 819 * MIB],
    ['1.5', 1610612736],
    ['512MiB', 512 * MIB],
    ['512mib', 512 * MIB],
    ['2 GiB', 2 * GIB],
    ['1TiB', 1024 * GIB],
    [0, 0],
    [-1, undefined],
    [Number.NaN, undefined],
    [Number.POSITIVE_INFINITY, undefined],
    ['', undefined],
    ['-1', undefined],
    ['abc', undefined],
    ['1e3', undefined],
    ['2GB', undefined],
    ['2  GiB', undefined],
    ['.5', undefined],
    ['1.', undefined],
    ['0x10', undefined],
  ])('%j', (size, bytes) => expect(parseSize(size)).toBe(bytes))

  test('the default unit counts only where none is written', () => {
    expect(parseSize(512, 'MiB')).toBe(512 * MIB)
    expect(parseSize('1GiB', 'MiB')).toBe(GIB)
  })
})

test.each([
  [2 * GIB, '2GiB'],
  [1610612736, '1.5GiB'],
  [1.25 * GIB, '1.25GiB'],
  [512 * MIB, '512MiB'],
  [819 * MIB, '819MiB'],
  [100 * GIB, '100GiB'],
  [1024 * GIB, '1TiB'],
])('formatSize %i', (bytes, text) => expect(formatSize(bytes)).toBe(text))

test('what formatSize writes can be read, and is within a hundredth of a GiB', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20_000_000 }), (mebibytes) => {
      const bytes = mebibytes * MIB
      expect(Math.abs((parseSize(formatSize(bytes)) ?? 0) - bytes)).toBeLessThan(GIB / 100)
    }),
  )
})

test.each<[string, number | undefined]>([
  ['2', 2],
  ['1.5', 1.5],
  ['1e3', undefined],
  ['-1', undefined],
  ['+1', undefined],
  [' 1', undefined],
  ['', undefined],
  ['1.5GiB', undefined],
])('plainNumber %j', (text, number) => expect(plainNumber(text)).toBe(number))
