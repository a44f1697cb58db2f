import { describe, expect, it } from 'vitest'
import { printable } from '../../../src/host/text.ts'
import { paint, processOutput, renderError, renderWarning } from '../../../src/cli/render/output.ts'
import { type ErrorCode, TcolimaError } from '../../../src/host/errors.ts'
import { captured } from './capture.ts'

describe('renderError', () => {
  it('names the step, the log with its last lines, and what to do', () => {
    const output = captured()
    const error = new TcolimaError('failed', 'QEMU ended: exit code 1', {
      step: 'boot',
      hint: 'Try --accel tcg.',
      log: { path: '/h/default/qemu.log', lines: ['one', '\u001b[31mtwo\u001b[0m\r'] },
    })
    expect(renderError(output, error)).toBe(1)
    expect(output.errText()).toBe(
      'tcolima: boot: QEMU ended: exit code 1\n' +
        '  the last lines of /h/default/qemu.log:\n    one\n    two\n' +
        'hint: Try --accel tcg.\n',
    )
    expect(output.outText()).toBe('')
  })

  it('is one JSON object on standard output with --json', () => {
    const output = captured({ json: true })
    expect(renderError(output, new TcolimaError('config', 'bad', { hint: 'mend it' }))).toBe(2)
    expect(output.errText()).toBe('')
    expect(output.outText().endsWith('}\n')).toBe(true)
    expect(JSON.parse(output.outText())).toMatchObject({
      type: 'error',
      code: 'config',
      message: 'bad',
      hint: 'mend it',
      time: expect.stringMatching(/^\d{4}-.*Z$/) as string,
    })
  })

  it.each<[ErrorCode, number]>([
    ['usage', 2],
    ['config', 2],
    ['not-found', 3],
    ['not-running', 3],
    ['busy', 1],
    ['host', 1],
    ['failed', 1],
    ['cancelled', 130],
  ])('%s gives the exit code %i', (code, exit) => {
    expect(renderError(captured(), new TcolimaError(code, 'x'))).toBe(exit)
  })

  it('tells where an error comes from only when asked', () => {
    const error = new TcolimaError('failed', 'outer', { cause: new Error('inner') })
    const quiet = captured()
    renderError(quiet, error)
    expect(quiet.errText()).toBe('tcolima: outer\n')
    const verbose = captured({ verbose: true })
    renderError(verbose, error)
    expect(verbose.errText()).toMatch(/at .*output\.test\.ts.*\n[^]*caused by Error: inner/)
  })
})

describe('renderWarning', () => {
  it('never mixes with what was asked for', () => {
    const output = captured()
    renderWarning(output, 'careful', 'do this')
    expect([output.outText(), output.errText()]).toEqual(['', 'warning: careful\n  do this\n'])
  })
})

describe('colours', () => {
  it('belong to the stream they are for', () => {
    const output = captured({ colour: { err: true, out: false } })
    expect(paint(output, 'red', 'x')).toBe('\u001b[31mx\u001b[0m')
    expect(paint(output, 'red', 'x', 'out')).toBe('x')
  })

  it.each([
    ['--no-color', { noColour: true }, {}],
    ['NO_COLOR', {}, { NO_COLOR: '1' }],
    ['a terminal that knows none', {}, { TERM: 'dumb' }],
  ])('are off with %s', (_what, flags, env) => {
    const output = processOutput({ json: false, noColour: false, verbose: false, ...flags }, env)
    expect([output.colour.err, output.colour.out]).toEqual([false, false])
  })
})

describe('printable', () => {
  it('keeps text, tabs and letters of all languages, and drops what moves the cursor', () => {
    expect(printable('a\tü漢\u001b[2J\u001b[1;31mred\u001b[0m\u0007\r')).toBe('a\tü漢red')
  })
})
