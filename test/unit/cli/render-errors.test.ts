import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { printable } from '../../../src/host/text.ts'
import { jsonLine, renderError, renderWarning } from '../../../src/cli/render/output.ts'
import { stepLine } from '../../../src/cli/render/progress.ts'
import { table } from '../../../src/cli/render/table.ts'
import { TcolimaError } from '../../../src/host/errors.ts'
import { captured } from './capture.ts'

describe('table', () => {
  test.each<[string, string[][], string]>([
    ['nothing', [], ''],
    ['heads only', [['NAME', 'STATUS']], 'NAME  STATUS\n'],
    ['rows of different length', [['A'], ['b', 'c']], 'A\nb  c\n'],
    ['an empty cell in the middle', [['A', '', 'C']], 'A    C\n'],
  ])('%s', (_, rows, text) => expect(table(rows)).toBe(text))
})

describe('stepLine', () => {
  test.each([
    ['boot', 0, undefined, 'boot              0.0 s'],
    ['boot', 12_345, '', 'boot             12.3 s'],
    ['docker', 950, 'tcolima', 'docker            0.9 s  tcolima'],
    ['a-step-with-a-long-name', 1000, 'x', 'a-step-with-a-long-name   1.0 s  x'],
    ['image', 1_234_567, undefined, 'image           1234.6 s'],
  ])('%s %d', (name, ms, detail, line) => expect(stepLine(name, ms, detail)).toBe(line))
})

describe('printable', () => {
  test.each([
    ['plain', 'plain'],
    ['\u001B[31mred\u001B[0m', 'red'],
    ['\u001B[2J\u001B[1;1Hcleared', 'cleared'],
    ['\u001B[?25lhidden\u001B[!p', 'hidden'],
    ['over\rwritten', 'overwritten'],
    ['bell\u0007 back\u0008 del\u007F', 'bell back del'],
    ['\u001B]0;title\u0007x', ']0;titlex'],
    ['\u001B', ''],
  ])('%j', (line, expected) => expect(printable(line)).toBe(expected))

  test('nothing is left that begins an escape sequence or moves the cursor', () => {
    const piece = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('\u001B[', '\u001B', '\r', '1;2H', 'm'),
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
        const bytes = Buffer.from(printable(pieces.join('')))
        expect(bytes.some((byte) => (byte < 0x20 && byte !== 0x09 && byte !== 0x0a) || byte === 0x7f)).toBe(
          false,
        )
      }),
    )
  })
})

describe('renderError', () => {
  test('an empty log is not announced', () => {
    const output = captured()
    renderError(output, new TcolimaError('failed', 'no', { log: { path: 'x.log', lines: [] } }))
    expect(output.errText()).toBe('tcolima: no\n')
  })
  test('JSON has all that belongs to the error, and the exit code is the same', () => {
    const error = new TcolimaError('busy', 'two\nlines', {
      hint: 'Wait.',
      step: 'image',
      log: { path: 'x.log', lines: ['one'] },
    })
    const output = captured({ json: true })
    expect(renderError(output, error)).toBe(renderError(captured(), error))
    expect(JSON.parse(output.outText())).toMatchObject({ type: 'error', ...error.toRecord() })
    expect(output.outText().match(/\n/g)).toHaveLength(1)
  })
  test('colours', () => {
    const output = captured({ colour: { err: true, out: true } })
    renderError(output, new TcolimaError('host', 'no room', { hint: 'Free some.', step: 'image' }))
    expect(output.errText()).toBe(
      '\u001B[31mtcolima:\u001B[0m image: no room\n\u001B[33mhint:\u001B[0m Free some.\n',
    )
  })
})

test('a warning with --json is an object on standard output', () => {
  const output = captured({ json: true })
  renderWarning(output, 'slow')
  expect(JSON.parse(output.outText())).toMatchObject({ type: 'warning', text: 'slow' })
  expect(output.errText()).toBe('')
})

test('jsonLine: a value with line breaks is one line', () => {
  const output = captured({ json: true })
  jsonLine(output, { text: 'a\nb\u2028' })
  expect(output.outText().match(/\n/g)).toHaveLength(1)
  expect(JSON.parse(output.outText())).toEqual({ text: 'a\nb\u2028' })
})
