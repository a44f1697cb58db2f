import { expect, it } from 'vitest'
import { table } from '../../../src/cli/render/table.ts'

it('aligns columns and leaves nothing at the end of a line', () => {
  const text = table([
    ['PROFILE', 'STATUS', 'ADDRESS'],
    ['default', 'Running', ''],
    ['a-longer-name', 'Stopped', ''],
  ])
  expect(text).toBe('PROFILE        STATUS   ADDRESS\ndefault        Running\na-longer-name  Stopped\n')
})
