import { describe, expect, test } from 'vitest'
import { changesOf, findMoves, type Look } from '../../../src/notify/diff.ts'
import type { State } from '../../../src/notify/state.ts'

const NOW = 1_000_000
const OLD = 5000
const file = (ino: number, more: Partial<State> = {}): State => ({
  ino,
  size: 1,
  mtimeMs: OLD,
  ctimeMs: OLD,
  mode: 0o100644,
  birthtimeMs: ino * 10,
  ...more,
})
const folder = (ino: number, more: Partial<State> = {}) => file(ino, { mode: 0o040755, ...more })

/** A look whose events came at `first`, and one more for each further event. */
const look = (
  path: string,
  before: Look['before'],
  after: State | undefined,
  more: Partial<Look> = {},
): Look => {
  const first = more.first ?? 0
  return { path, before, after, first, last: first, changes: 0, named: true, ...more }
}

function told(looks: Look[], exact = true): string[] {
  return changesOf(looks, findMoves(looks), { now: NOW, exact }).map((change) =>
    change.kind === 'rename' ? `rename ${change.from} ${change.to}` : `${change.kind} ${change.path}`,
  )
}

describe('an entry that stayed', () => {
  const written = { mtimeMs: NOW, ctimeMs: NOW }
  test.each<[string, State, Partial<State>, number, string[]]>([
    ['nothing', file(1), {}, 1, []],
    ['written', file(1), written, 1, ['modify /f']],
    ['another size, whatever its times', file(1), { size: 2, ctimeMs: NOW }, 1, ['modify /f']],
    ['chmod', file(1), { mode: 0o100600, ctimeMs: NOW }, 1, ['attributes /f']],
    ['times set', file(1), { mtimeMs: 7, ctimeMs: NOW }, 1, ['attributes /f']],
    ['times set after something else', file(1), { mtimeMs: 7, ctimeMs: NOW }, 2, ['modify /f']],
    ['the same time set after something else', file(1), { ctimeMs: NOW }, 2, ['modify /f']],
    ['the second write within a tick', file(1, written), {}, 1, ['modify /f']],
    ['known before its event, and old', file(1), {}, 1, []],
    ['looked at without an event', file(1, written), {}, 0, []],
    ['chmod seen without an event', file(1), { mode: 0o100600, ctimeMs: NOW }, 0, ['attributes /f']],
    ['a folder that got an entry', folder(1), written, 0, []],
    ['a folder whose times were set', folder(1), written, 1, ['attributes /f']],
    ['a folder’s mode without an event', folder(1), { mode: 0o040700 }, 0, ['attributes /f']],
    ['a socket', file(1, { mode: 0o140755 }), written, 1, ['attributes /f']],
  ])('%s', (_, before, changed, changes, expected) => {
    expect(told([look('/f', before, { ...before, ...changed }, { changes, named: false })])).toEqual(expected)
  })

  test('where events are folded together, times set by hand may hide a write, and an event may be late', () => {
    const set = file(1, { mtimeMs: 7, ctimeMs: NOW })
    expect(told([look('/f', file(1), set, { changes: 1 })], false)).toEqual(['modify /f'])
    const recent = file(1, written)
    expect(told([look('/f', recent, recent, { changes: 1 })], false)).toEqual([])
  })
})

describe('which files are the same', () => {
  test.each<[string, State, State, string[]]>([
    ['the same number and birth', file(1), file(1), ['rename /a /b']],
    ['the number given to a new file', file(1), file(1, { birthtimeMs: 77 }), ['delete /a', 'create /b']],
    [
      'no births: the same content',
      file(1, { birthtimeMs: 0 }),
      file(1, { birthtimeMs: 0, ctimeMs: 9 }),
      ['rename /a /b'],
    ],
    [
      'no births: another content',
      file(1, { birthtimeMs: 0 }),
      file(1, { birthtimeMs: 0, mtimeMs: 9 }),
      ['delete /a', 'create /b'],
    ],
    ['another type', file(1), folder(1), ['delete /a', 'create /b']],
  ])('%s', (_, before, after, expected) => {
    expect(told([look('/a', before, undefined), look('/b', undefined, after, { first: 1 })])).toEqual(
      expected,
    )
  })
})

describe('before the folder had been read', () => {
  test.each<[string, State | undefined, boolean, string]>([
    ['a name that is there', file(1), true, 'create /f'],
    ['a name that is not', undefined, true, 'delete /f'],
    ['content', file(1), false, 'modify /f'],
    ['attributes of a folder', folder(1), false, 'attributes /f'],
  ])('%s', (_, after, named, expected) => {
    expect(told([look('/f', 'unknown', after, { named, changes: named ? 0 : 1 })])).toEqual([expected])
  })
})

describe('the order', () => {
  test('a chain of renames from its end, however the events came', () => {
    const looks = [
      look('/a', file(1), undefined, { first: 0 }),
      look('/b', file(2), file(1), { first: 1 }),
      look('/c', file(3), file(2), { first: 2 }),
      look('/d', undefined, file(3), { first: 3 }),
    ]
    for (const order of [looks, looks.toReversed()]) {
      expect(told(order)).toEqual(['rename /c /d', 'rename /b /c', 'rename /a /b'])
    }
  })

  test('names exchanged in a ring are edits', () => {
    const ring = [look('/a', file(1), file(2)), look('/b', file(2), file(3)), look('/c', file(3), file(1))]
    expect(told(ring)).toEqual(['modify /a', 'modify /b', 'modify /c'])
  })

  test('a folder cannot be renamed into itself: one came to its name, and it into that one', () => {
    const looks = [look('/d', folder(1), folder(2)), look('/d/s', undefined, folder(1), { first: 3 })]
    expect(told(looks)).toEqual(['delete /d', 'create /d', 'create /d/s'])
  })

  test('a folder comes before what comes into it', () => {
    const looks = [
      look('/n/f', undefined, file(1), { first: 0 }),
      look('/n', undefined, folder(2), { first: 5 }),
      look('/o', folder(2), undefined, { first: 4 }),
    ]
    expect(told(looks)).toEqual(['rename /o /n', 'create /n/f'])
  })

  test('what was in a folder goes before it, and before what takes its place', () => {
    const cause = look('/d', folder(1), folder(9), { first: 0 })
    const sub = look('/d/s', folder(2), undefined, { first: 0, cause })
    const looks = [cause, sub, look('/d/s/f', file(3), undefined, { first: 0, cause: sub })]
    expect(told(looks)).toEqual(['delete /d/s/f', 'delete /d/s', 'delete /d', 'create /d'])
  })
})
