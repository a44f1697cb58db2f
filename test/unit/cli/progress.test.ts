import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ProgressView } from '../../../src/cli/render/progress.ts'
import { captured } from './capture.ts'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance', 'Date'] })
})

afterEach(() => {
  vi.useRealTimers()
})

describe('without a terminal', () => {
  it('gives a line for each step that ended, with its time', () => {
    const output = captured()
    const view = new ProgressView(output)
    view.report({ type: 'step', step: 'image', state: 'started' })
    view.report({ type: 'step', step: 'disks', state: 'started' })
    view.report({ type: 'step', step: 'disks', state: 'done', ms: 120 })
    view.report({ type: 'step', step: 'image', state: 'done', ms: 46_000, detail: 'built' })
    view.close()
    expect(output.errText()).toBe('✓ disks             0.1 s\n✓ image            46.0 s  built\n')
    expect(output.outText()).toBe('')
  })

  it('says once that a long step runs, and what it does', () => {
    const output = captured()
    const view = new ProgressView(output)
    view.report({ type: 'step', step: 'image', state: 'started' })
    view.report({ type: 'note', step: 'image', text: 'unpacking' })
    vi.advanceTimersByTime(4000)
    expect(output.errText()).toBe('')
    vi.advanceTimersByTime(20_000)
    expect(output.errText()).toBe('… image: unpacking\n')
    view.close()
  })

  it('marks a failed step, and tells every note when asked to', () => {
    const output = captured({ verbose: true })
    const view = new ProgressView(output)
    view.report({ type: 'step', step: 'boot', state: 'started' })
    view.report({ type: 'note', step: 'boot', text: 'kernel' })
    view.report({ type: 'step', step: 'boot', state: 'failed', ms: 1000 })
    view.close()
    expect(output.errText()).toBe('  boot: kernel\n✗ boot              1.0 s\n')
  })
})

describe('on a terminal', () => {
  it('draws the running step anew and puts its line in place', () => {
    const output = captured({ live: true })
    const view = new ProgressView(output)
    view.report({ type: 'step', step: 'boot', state: 'started' })
    vi.advanceTimersByTime(1200)
    expect(output.errText()).toContain('boot              1.2 s')
    view.report({ type: 'step', step: 'boot', state: 'done', ms: 1234 })
    view.close()
    expect(output.errText().endsWith('\r\u001b[K✓ boot              1.2 s\n')).toBe(true)
  })

  it('stops for a question and goes on with the next event', () => {
    const output = captured({ live: true })
    const view = new ProgressView(output)
    view.report({ type: 'step', step: 'host packages', state: 'started' })
    view.close()
    const asked = output.errText()
    vi.advanceTimersByTime(1000)
    expect(output.errText()).toBe(asked)
    view.report({ type: 'note', step: 'host packages', text: 'apt-get' })
    vi.advanceTimersByTime(1000)
    expect(output.errText()).toContain('2.0 s  apt-get')
    view.close()
  })
})

describe('with --json', () => {
  it('gives each event as it is, with the time', () => {
    const output = captured({ json: true })
    const view = new ProgressView(output)
    view.report({ type: 'step', step: 'boot', state: 'started' })
    view.report({ type: 'warning', text: 'w', hint: 'h' })
    view.close()
    const lines = output.outText().trimEnd().split('\n')
    expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
      { type: 'step', step: 'boot', state: 'started', time: expect.any(String) as string },
      { type: 'warning', text: 'w', hint: 'h', time: expect.any(String) as string },
    ])
    expect(output.errText()).toBe('')
  })
})
