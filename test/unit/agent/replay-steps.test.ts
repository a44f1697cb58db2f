import type { Stats } from 'node:fs'
import { expect, test } from 'vitest'
import { stepOf, takeBatch } from '../../../src/agent/replay-steps.ts'
import { stepsText } from '../../../src/mounts/replay-text.ts'
import type { ReplayStep } from '../../../src/mounts/replay.ts'

function entry(kind: 'file' | 'folder' | 'link' | 'socket'): Stats {
  return {
    isFile: () => kind === 'file',
    isDirectory: () => kind === 'folder',
    isSymbolicLink: () => kind === 'link',
  } as Stats
}
const paths = { path: '/p', from: '/f' }

test.each([
  ['create', 'file', { act: 'create', path: '/p' }],
  ['create', 'folder', { act: 'mkdir', path: '/p' }],
  ['create', 'link', { act: 'symlink', path: '/p' }],
  ['create', 'socket', undefined],
  ['modify', 'file', { act: 'modify', path: '/p' }],
  ['modify', 'folder', undefined],
  ['attributes', 'folder', { act: 'attributes', path: '/p' }],
  ['attributes', 'link', undefined],
] as const)('%s of a %s', (kind, type, step) => {
  expect(stepOf({ kind, path: '/h', type: 'file' }, paths, entry(type))).toEqual(step)
})

test('what is gone again is not shown as new, changed or touched', () => {
  for (const kind of ['create', 'modify', 'attributes'] as const)
    expect(stepOf({ kind, path: '/h', type: 'file' }, paths, undefined)).toBeUndefined()
})

test.each([
  ['file', 'remove'],
  ['link', 'remove'],
  ['folder', 'rmdir'],
] as const)('the removal of a %s', (type, act) => {
  expect(stepOf({ kind: 'delete', path: '/h', type }, paths, undefined)).toEqual({ act, path: '/p', type })
  const renamed = stepOf({ kind: 'rename', from: '/g', to: '/h', type }, paths, undefined)
  expect(renamed).toEqual({ act: 'rename', from: '/f', to: '/p', type })
})

test('a batch ends before a path comes twice, and has a limit', () => {
  const queue: ReplayStep[] = [
    { act: 'remove', path: '/a', type: 'file' },
    { act: 'rename', from: '/b', to: '/c', type: 'file' },
    { act: 'create', path: '/b' },
    ...Array.from({ length: 40 }, (_, n) => ({ act: 'create' as const, path: `/n${n}` })),
  ]
  expect(takeBatch(queue)).toHaveLength(2)
  expect(takeBatch(queue)).toHaveLength(32)
  expect(takeBatch(queue)).toHaveLength(9)
  expect(takeBatch(queue)).toEqual([])
})

test('the guest gets the bytes of paths', () => {
  const steps: ReplayStep[] = [
    { act: 'rename', from: '/a;b', to: '/\xe9', type: 'file' },
    { act: 'mkdir', path: '/' },
  ]
  expect(stepsText(steps)).toBe('rename:2f613b62:2fe9;mkdir:2f')
})
