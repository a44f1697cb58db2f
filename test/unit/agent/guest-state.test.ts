import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { GuestState } from '../../../src/agent/guest-state.ts'
import { TcolimaError } from '../../../src/host/errors.ts'

const never = new AbortController().signal
const hello = (boot: string) => ({ type: 'hello', version: 1, boot }) as const

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

describe('take', () => {
  test('a new boot forgets what the last one told; the same one again does not', () => {
    const guest = new GuestState()
    expect(guest.take(hello('one'))).toBe(false)
    guest.take({ type: 'ready', subject: 'boot' })
    guest.take({ type: 'failed', subject: 'docker' })
    guest.take({ type: 'mount', index: 0, state: 'mounted', detail: '' })
    expect(guest.take(hello('one'))).toBe(false)
    expect([...guest.ready]).toEqual(['boot'])
    expect(guest.take(hello('two'))).toBe(true)
    expect([guest.ready.size, guest.failed.size, guest.mounts.size]).toEqual([0, 0, 0])
    expect(guest.boot).toBe('two')
  })

  test('a unit that failed and then came is ready', () => {
    const guest = new GuestState()
    guest.take({ type: 'failed', subject: 'docker' })
    guest.take({ type: 'ready', subject: 'docker' })
    expect([...guest.failed]).toEqual([])
    expect([...guest.ready]).toEqual(['docker'])
  })

  test('a mount that is gone is known no more; one that is kept stays, with what keeps it', () => {
    const guest = new GuestState()
    for (const index of [0, 1]) guest.take({ type: 'mount', index, state: 'mounted', detail: '' })
    guest.take({ type: 'unmounted', index: 0, problem: '' })
    guest.take({ type: 'unmounted', index: 1, problem: 'in use' })
    expect([...guest.mounts.keys()]).toEqual([1])
    expect([...guest.unmounted]).toEqual([
      [0, ''],
      [1, 'in use'],
    ])
  })

  test('the last word about a mount counts; ports are none of its business', () => {
    const guest = new GuestState()
    guest.take({ type: 'mount', index: 1, state: 'failed', detail: 'no' })
    guest.take({ type: 'mount', index: 1, state: 'mounted', detail: '' })
    expect(guest.take({ type: 'ports', add: [], remove: [] })).toBe(false)
    expect([...guest.mounts]).toEqual([[1, { state: 'mounted', detail: '' }]])
  })
})

describe('wait', () => {
  test('ends at once, or with the message that fulfils it', async () => {
    const guest = new GuestState()
    const order: string[] = []
    const booted = guest.wait('no boot', () => guest.ready.has('boot'), 1000, never)
    void booted.then(() => order.push('booted'))
    guest.take(hello('one'))
    await vi.advanceTimersByTimeAsync(10)
    order.push('told')
    guest.take({ type: 'ready', subject: 'boot' })
    await booted
    await guest.wait('no boot', () => guest.ready.has('boot'), 0, never)
    expect(order).toEqual(['told', 'booted'])
  })

  test('several wait for different things', async () => {
    const guest = new GuestState()
    const boot = guest.wait('b', () => guest.ready.has('boot'), 1000, never)
    const docker = guest.wait('d', () => guest.ready.has('docker'), 1000, never)
    guest.take({ type: 'ready', subject: 'docker' })
    await docker
    guest.take({ type: 'ready', subject: 'boot' })
    await boot
  })

  test('says what did not happen, and within what time', async () => {
    const waiting = new GuestState().wait('the guest did not boot', () => false, 90_000, never)
    const checked = expect(waiting).rejects.toMatchObject({
      code: 'failed',
      message: 'the guest did not boot within 90 s',
    })
    await vi.advanceTimersByTimeAsync(90_000)
    await checked
  })

  test('throws what the condition throws, at once or later', async () => {
    const guest = new GuestState()
    const condition = () => {
      if (guest.failed.has('boot')) throw new TcolimaError('host', 'broken')
      return false
    }
    const waiting = guest.wait('x', condition, 1000, never)
    guest.take({ type: 'failed', subject: 'boot' })
    await expect(waiting).rejects.toMatchObject({ code: 'host', message: 'broken' })
    await expect(guest.wait('x', condition, 1000, never)).rejects.toMatchObject({ message: 'broken' })
  })

  test.each(['before', 'while'])('gives up with the reason when aborted %s waiting', async (when) => {
    const controller = new AbortController()
    const abort = () => controller.abort(new TcolimaError('cancelled', 'the start was cancelled'))
    if (when === 'before') abort()
    const waiting = new GuestState().wait('x', () => false, 1000, controller.signal)
    if (when === 'while') abort()
    await expect(waiting).rejects.toMatchObject({ code: 'cancelled', message: 'the start was cancelled' })
  })
})
