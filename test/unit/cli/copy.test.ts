import { describe, expect, it } from 'vitest'
import { copyPlan, parsePlace } from '../../../src/cli/copy-place.ts'

describe('parsePlace', () => {
  it.each([
    ['a/b', { path: 'a/b' }],
    ['./a:b', { path: './a:b' }],
    ['/x/a:b', { path: '/x/a:b' }],
    ['guest:/etc/hosts', { profile: 'work', path: '/etc/hosts' }],
    [':/etc/hosts', { profile: 'work', path: '/etc/hosts' }],
    ['other:a:b', { profile: 'other', path: 'a:b' }],
    ['guest:', { profile: 'work', path: '.' }],
    ['guest:~', { profile: 'work', path: '.' }],
    ['guest:~/x y', { profile: 'work', path: 'x y' }],
    ['tcolima:x', { profile: 'default', path: 'x' }],
  ])('%j', (text, place) => expect(parsePlace(text, 'work')).toEqual(place))
})

describe('copyPlan', () => {
  it('takes many sources of one side', () => {
    expect(copyPlan(['a', 'b', 'guest:c'], 'default')).toEqual({
      sources: [{ path: 'a' }, { path: 'b' }],
      target: { profile: 'default', path: 'c' },
    })
  })

  it.each([
    [[]],
    [['a']],
    [['a', 'b']],
    [['guest:a', 'guest:b']],
    [['x:a', 'y:b']],
    [['guest:a', 'b', 'c']],
    [['a', 'guest:b', 'guest:c']],
    [['x:a', 'y:b', '.']],
    [['bad name:x', '.']],
  ])('refuses %j', (words) => {
    expect(() => copyPlan(words, 'default')).toThrow(expect.objectContaining({ code: 'usage' }))
  })
})
