import { PassThrough } from 'node:stream'
import { expect, it } from 'vitest'
import { confirm } from '../../../src/cli/confirm.ts'

it.each([
  ['y\n', true],
  ['YES\n', true],
  ['n\n', false],
  ['\n', false],
  ['yesterday\n', false],
  ['', false],
])('%j is %s', async (typed, answer) => {
  const input = new PassThrough()
  const output = new PassThrough()
  const asked = confirm('Delete it?', { input, output })
  input.end(typed)
  expect(await asked).toBe(answer)
  expect(String(output.read())).toBe('Delete it? [y/N] ')
})
