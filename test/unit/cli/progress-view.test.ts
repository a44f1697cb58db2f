import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { ProgressView } from '../../../src/cli/render/progress.ts'
import type { ProgressEvent } from '../../../src/host/progress.ts'
import { captured } from './capture.ts'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance', 'Date'] })
})
afterEach(() => {
  vi.useRealTimers()
})

const started = (step: string): ProgressEvent => ({ type: 'step', step, state: 'started' })
const done = (step: string, ms: number): ProgressEvent => ({ type: 'step', step, state: 'done', ms })

/** What was drawn, with a word where a line was erased. */
function visible(text: string): string {
  return text.replaceAll('\r\u001B[K', '<erased>')
}

describe('without a terminal', () => {
  test('each long step has a word, none after the end', () => {
    const output = captured()
    const view = new ProgressView(output)
    view.report(started('image'))
    vi.advanceTimersByTime(60_000)
    view.report(done('image', 60_000))
    view.report(started('boot'))
    vi.advanceTimersByTime(6000)
    view.close()
    vi.advanceTimersByTime(60_000)
    expect(output.errText()).toBe('… image\n✓ image            60.0 s\n… boot\n')
  })

  test('warnings come as they are; a note of no running step is none', () => {
    const output = captured()
    const view = new ProgressView(output)
    view.report({ type: 'note', step: 'none', text: 'x' })
    view.report({ type: 'warning', text: 'slow', hint: 'Use kvm.' })
    view.close()
    expect(output.errText()).toBe('warning: slow\n  Use kvm.\n')
  })

  test('the end of a step whose start was not seen has its line too', () => {
    const output = captured()
    const view = new ProgressView(output)
    view.report(done('boot', 100))
    view.close()
    expect(output.errText()).toBe('✓ boot              0.1 s\n')
  })
})

describe('on a terminal', () => {
  test('of steps within each other the inner one is drawn', () => {
    const output = captured({ live: true })
    const view = new ProgressView(output)
    view.report(started('start'))
    view.report(started('image'))
    view.report(done('image', 0))
    view.close()
    expect(visible(output.errText())).toMatch(/⠋ image[^\n]*<erased>✓ image[^\n]*\n⠋ start[^\n]*<erased>$/)
  })

  test('a warning does not stand in the middle of a drawn line', () => {
    const output = captured({ live: true })
    const view = new ProgressView(output)
    view.report(started('boot'))
    view.report({ type: 'warning', text: 'slow' })
    view.close()
    expect(visible(output.errText())).toMatch(/0\.0 s<erased>warning: slow\n⠋ boot[^\n]*<erased>$/)
  })

  test('a line is never longer than the terminal', () => {
    const output = captured({ live: true })
    const view = new ProgressView(output)
    view.report(started('boot'))
    view.report({ type: 'note', step: 'boot', text: 'x'.repeat(5000) })
    view.close()
    const drawn = output.errText().split('\r\u001B[K')[1] ?? ''
    expect(drawn).toContain('xxx')
    expect(drawn.length).toBeLessThan(process.stderr.columns ?? 80)
  })
})

test('with --json every event is a line, nothing is drawn and nothing added', () => {
  const output = captured({ json: true })
  const view = new ProgressView(output)
  const events: ProgressEvent[] = [
    started('boot'),
    { type: 'note', step: 'boot', text: 'x' },
    { type: 'warning', text: 'slow', hint: 'y' },
    { type: 'step', step: 'boot', state: 'failed', ms: 7 },
  ]
  vi.setSystemTime(new Date('2026-01-02T03:04:05.678Z'))
  for (const event of events) view.report(event)
  vi.advanceTimersByTime(60_000)
  view.close()
  const lines = output.outText().trimEnd().split('\n')
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual(
    events.map((event) => ({ time: '2026-01-02T03:04:05.678Z', ...event })),
  )
  expect(output.errText()).toBe('')
})
