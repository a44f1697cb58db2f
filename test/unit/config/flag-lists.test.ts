import * as fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { listArguments, listWords } from '../../../src/config/flag-lists.ts'

describe('listWords', () => {
  it.each<[string[], string[]]>([
    [[], []],
    [[''], ['']],
    [['/a'], ['/a']],
    [['/a,/b'], ['/a', '/b']],
    [
      ['/a,/b', '/c'],
      ['/a', '/b', '/c'],
    ],
    [['/a,'], ['/a', '']],
    [[',/a'], ['', '/a']],
    [['"/a,b",/c'], ['/a,b', '/c']],
    [['"/a,b":w,/c'], ['/a,b:w', '/c']],
    [['"say ""no"", now"'], ['say "no", now']],
    // No quotes of a list: they stand for themselves.
    [['/a"b,/c'], ['/a"b', '/c']],
    [['"/a,/b'], ['"/a', '/b']],
  ])('%j gives %j', (values, words) => expect(listWords(values)).toEqual(words))

  test('whatever is quoted comes back as it was', () => {
    fc.assert(
      fc.property(fc.array(fc.string(), { minLength: 1 }), (words) => {
        const text = words.map((word) => `"${word.replaceAll('"', '""')}"`).join(',')
        expect(listWords([text])).toEqual(words)
      }),
    )
  })
})

test.each<[string[], string[]]>([
  [['--disable=traefik'], ['--disable=traefik']],
  [['--disable=traefik,servicelb'], ['--disable=traefik,servicelb']],
  [['--a=1,--b'], ['--a=1', '--b']],
  [
    ['--a', '-v,--c'],
    ['--a', '-v', '--c'],
  ],
])('arguments: %j gives %j', (values, words) => expect(listArguments(values)).toEqual(words))
