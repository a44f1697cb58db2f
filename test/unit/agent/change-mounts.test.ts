import { expect, test } from 'vitest'
import { mountPlan } from '../../../src/agent/change-mounts.ts'

const spec = (text: string) => {
  const [mountPoint = '', mode] = text.split(':')
  return { location: mountPoint, mountPoint, writable: mode === 'w' }
}
const text = ({ mountPoint, writable }: ReturnType<typeof spec>) => `${mountPoint}${writable ? ':w' : ''}`

test.each<[string, string[], string[], string[], string[]]>([
  ['nothing changes', ['/a', '/b'], ['/b', '/a'], [], []],
  ['one comes, one goes', ['/a', '/b'], ['/b', '/c'], ['/a'], ['/c']],
  ['another mode', ['/a', '/b'], ['/a:w', '/b'], ['/a'], ['/a:w']],
  [
    'what lies within one that changes is mounted anew',
    ['/a', '/a/b'],
    ['/a:w', '/a/b'],
    ['/a/b', '/a'],
    ['/a:w', '/a/b'],
  ],
  ['what lies within one that comes, too', ['/a/b'], ['/a', '/a/b'], ['/a/b'], ['/a', '/a/b']],
  ['what lies within one that goes, too', ['/a', '/a/b'], ['/a/b'], ['/a/b', '/a'], ['/a/b']],
  ['a name that begins the same is no place within', ['/a', '/ab'], ['/ab'], ['/a'], []],
  ['all go', ['/a', '/a/b'], [], ['/a/b', '/a'], []],
])('%s', (_, before, wanted, remove, add) => {
  const plan = mountPlan(before.map(spec), wanted.map(spec))
  expect([plan.remove.map(text), plan.add.map(text)]).toEqual([remove, add])
})
