import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type PortForwardEntry, resolvePortForward } from '../../../src/config/port-forwards.ts'
import { TcolimaError } from '../../../src/host/errors.ts'
import type { Forwarder } from '../../../src/portforward/forwarder.ts'
import { Forwards, type ForwardsOptions } from '../../../src/portforward/forwards.ts'
import type { PlannedForward } from '../../../src/portforward/plan.ts'

const wildcard80 = 'tcp 00000000 0050'
const loopback80 = 'tcp 0100007F 0050'
const wildcard81 = 'tcp 00000000 0051'
const sixLoopback80 = 'tcp6 00000000000000000000000001000000 0050'

/** Forwarders that write down what they do; ports in `taken` cannot be had. */
function fixture(more: Partial<ForwardsOptions> = {}) {
  const events: string[] = []
  const lines: string[] = []
  const taken = new Set<number>()
  const forwarder = (via: string): Forwarder => ({
    open: async ({ hostAddress, hostPort, guestAddress }: PlannedForward) => {
      const name = `${via} ${hostAddress}:${hostPort}${guestAddress === '' ? '' : ` ${guestAddress}`}`
      await Promise.resolve()
      if (taken.has(hostPort)) {
        events.push(`! ${name}`)
        throw new Error(`port ${hostPort} is taken`)
      }
      events.push(`+ ${name}`)
      return async () => {
        await Promise.resolve()
        events.push(`- ${name}`)
      }
    },
  })
  const forwards = new Forwards({
    forwarders: { hostfwd: forwarder('hostfwd'), ssh: forwarder('ssh') },
    internal: new Set([22]),
    log: (line) => lines.push(line),
    ...more,
  })
  /** What happened since the last look. */
  const settled = async () => {
    await vi.advanceTimersByTimeAsync(0)
    return events.splice(0)
  }
  return { forwards, taken, lines, settled }
}

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

describe('follows the guest', () => {
  test('listeners come and go', async () => {
    const { forwards, settled } = fixture()
    forwards.update([wildcard80, wildcard81], [], false)
    expect(await settled()).toEqual(['+ hostfwd 0.0.0.0:80', '+ hostfwd 0.0.0.0:81'])
    forwards.update([], [wildcard80], false)
    expect(await settled()).toEqual(['- hostfwd 0.0.0.0:80'])
    expect(forwards.list()).toEqual([
      {
        proto: 'tcp',
        hostAddress: '0.0.0.0',
        hostPort: 81,
        via: 'hostfwd',
        guestAddress: '',
        guestPort: 81,
        state: 'active',
      },
    ])
  })

  test('nothing is opened twice, and nothing for what is no listener or internal', async () => {
    const { forwards, settled } = fixture()
    forwards.update([wildcard80, 'tcp6 nonsense', 'tcp 00000000 0016'], [], false)
    forwards.update([wildcard80, 'tcp6 00000000000000000000000000000000 0050'], [], false)
    expect(await settled()).toEqual(['+ hostfwd 0.0.0.0:80'])
    expect(await settled()).toEqual([])
  })

  test('one that went before it was opened never opens', async () => {
    const { forwards, settled } = fixture()
    forwards.update([wildcard80], [], false)
    forwards.update([], [wildcard80], false)
    expect(await settled()).toEqual([])
  })

  test('whole: the list is all there is', async () => {
    const { forwards, settled } = fixture()
    forwards.update([wildcard80, wildcard81], [], false)
    await settled()
    forwards.update([wildcard81], [], true)
    expect(await settled()).toEqual(['- hostfwd 0.0.0.0:80'])
    forwards.update([], [], true)
    expect(await settled()).toEqual(['- hostfwd 0.0.0.0:81'])
  })

  test('a listener that changes its address moves, the old end first', async () => {
    const { forwards, settled } = fixture()
    forwards.update([loopback80], [], false)
    expect(await settled()).toEqual(['+ ssh 127.0.0.1:80 127.0.0.1'])
    forwards.update([wildcard80], [loopback80], false)
    expect(await settled()).toEqual(['- ssh 127.0.0.1:80 127.0.0.1', '+ hostfwd 0.0.0.0:80'])
    forwards.update([sixLoopback80], [wildcard80], false)
    expect(await settled()).toEqual(['- hostfwd 0.0.0.0:80', '+ ssh 127.0.0.1:80 ::1'])
    forwards.update([loopback80], [], false)
    expect(await settled()).toEqual(['- ssh 127.0.0.1:80 ::1', '+ ssh 127.0.0.1:80 127.0.0.1'])
  })
})

describe('forwards of an earlier agent', () => {
  /** One of QEMU's rules, which says when it is removed. */
  const rule = (hostPort: number, closed: string[], guestPort = hostPort) => ({
    planned: {
      proto: 'tcp' as const,
      hostAddress: '0.0.0.0',
      hostPort,
      via: 'hostfwd' as const,
      guestAddress: '',
      guestPort,
    },
    close: async () => {
      await Promise.resolve()
      closed.push(`- ${hostPort}`)
    },
  })

  test('stay as they are when they are still wanted, else go, but not before the list is whole', async () => {
    const closed: string[] = []
    const { forwards, settled } = fixture({ adopted: [rule(80, closed), rule(82, closed)] })
    expect(forwards.list().map(({ hostPort, state }) => [hostPort, state])).toEqual([
      [80, 'active'],
      [82, 'active'],
    ])
    forwards.update([wildcard81], [], false)
    expect([await settled(), closed]).toEqual([[], []])
    forwards.update([wildcard80, wildcard81], [], true)
    expect([await settled(), closed]).toEqual([['+ hostfwd 0.0.0.0:81'], ['- 82']])
    forwards.update([], [wildcard80], false)
    expect([await settled(), closed]).toEqual([[], ['- 82', '- 80']])
  })

  test('one that leads to another port of the guest is made anew', async () => {
    const closed: string[] = []
    const { forwards, settled } = fixture({ adopted: [rule(80, closed, 8080)] })
    forwards.update([wildcard80], [], true)
    expect([await settled(), closed]).toEqual([['+ hostfwd 0.0.0.0:80'], ['- 80']])
  })

  test('are closed with the rest', async () => {
    const closed: string[] = []
    const { forwards } = fixture({ adopted: [rule(80, closed)] })
    await forwards.close()
    expect(closed).toEqual(['- 80'])
  })
})

describe('settled', () => {
  test('resolves when all that was told is applied', async () => {
    const { forwards } = fixture()
    forwards.update([wildcard80], [], true)
    await forwards.settled()
    expect(forwards.list()).toMatchObject([{ hostPort: 80, state: 'active' }])
    forwards.update([], [wildcard80], false)
    forwards.update([wildcard81], [], false)
    await forwards.settled()
    expect(forwards.list()).toMatchObject([{ hostPort: 81, state: 'active' }])
  })

  test('does not wait for a port that is taken', async () => {
    const { forwards, taken } = fixture()
    taken.add(80)
    forwards.update([wildcard80], [], true)
    await forwards.settled()
    expect(forwards.list()).toMatchObject([{ hostPort: 80, state: 'failed' }])
    await forwards.close()
  })
})

describe('a port of the host that is taken', () => {
  test('is tried again until it is free, and said once', async () => {
    const { forwards, taken, lines, settled } = fixture()
    taken.add(80)
    forwards.update([wildcard80, wildcard81], [], false)
    expect(await settled()).toEqual(['! hostfwd 0.0.0.0:80', '+ hostfwd 0.0.0.0:81'])
    expect(forwards.list()).toMatchObject([
      { hostPort: 80, state: 'failed', reason: 'port 80 is taken' },
      { hostPort: 81, state: 'active' },
    ])
    await vi.advanceTimersByTimeAsync(3000)
    expect(await settled()).toEqual(Array.from({ length: 3 }, () => '! hostfwd 0.0.0.0:80'))
    taken.clear()
    await vi.advanceTimersByTimeAsync(1000)
    expect(await settled()).toEqual(['+ hostfwd 0.0.0.0:80'])
    expect(forwards.list()[0]).toMatchObject({ state: 'active' })
    expect(forwards.list()[0]).not.toHaveProperty('reason')
    expect(lines.filter((line) => line.includes('not forwarded'))).toEqual([
      'port 0.0.0.0:80: not forwarded: port 80 is taken',
    ])
    expect(vi.getTimerCount()).toBe(0)
  })

  test('is no longer tried when the listener is gone', async () => {
    const { forwards, taken, settled } = fixture()
    taken.add(80)
    forwards.update([wildcard80], [], false)
    await settled()
    forwards.update([], [wildcard80], false)
    await vi.advanceTimersByTimeAsync(5000)
    expect(await settled()).toEqual([])
    expect(forwards.list()).toEqual([])
    expect(vi.getTimerCount()).toBe(0)
  })
})

describe('many that cannot be had', () => {
  test('take turns: a few a second, and each comes once it is free', async () => {
    const { forwards, taken, settled } = fixture()
    const ports = Array.from({ length: 40 }, (_, at) => 0x1000 + at)
    for (const port of ports) taken.add(port)
    forwards.update(
      ports.map((port) => `tcp 00000000 ${port.toString(16).toUpperCase()}`),
      [],
      false,
    )
    expect(await settled()).toHaveLength(40)
    for (const tries of [16, 16, 16]) {
      await vi.advanceTimersByTimeAsync(1000)
      expect(await settled()).toHaveLength(tries)
    }
    taken.clear()
    await vi.advanceTimersByTimeAsync(3000)
    expect(new Set(await settled()).size).toBe(40)
    expect(forwards.list().every(({ state }) => state === 'active')).toBe(true)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('say who is in the way, and look for it seldom', async () => {
    const holder = vi.fn(() => 'nginx (process 7)')
    const problem = new TcolimaError('failed', 'port 80 of the host is taken', {
      cause: Object.assign(new Error('bind'), { code: 'EADDRINUSE' }),
    })
    const hostfwd = { open: () => Promise.reject(problem) }
    const { forwards, lines } = fixture({ forwarders: { hostfwd, ssh: hostfwd }, holder })
    forwards.update([wildcard80], [], false)
    await vi.advanceTimersByTimeAsync(5000)
    const reason = 'port 80 of the host is taken by nginx (process 7)'
    expect(forwards.list()).toMatchObject([{ reason }])
    expect(holder).toHaveBeenCalledTimes(1)
    expect(lines).toEqual([`port 0.0.0.0:80: not forwarded: ${reason}`])
  })
})

describe('rules', () => {
  const rule = (entry: PortForwardEntry) => {
    const result = resolvePortForward(entry, '/home/ann')
    if (!result.ok) throw new Error(result.problem)
    return result.value
  }

  test('some need no listener', async () => {
    const { settled } = fixture({
      rules: [rule({ guestPort: 80, hostPort: 81, static: true, proto: 'tcp' })],
    })
    expect(await settled()).toEqual(['+ ssh 127.0.0.1:81 127.0.0.1'])
  })

  test('one that is refused is told and never tried', async () => {
    const { forwards, settled, lines } = fixture({ rules: [rule({ guestPort: 80, hostPort: 81 })] })
    forwards.update([wildcard81, loopback80], [], true)
    expect(await settled()).toEqual(['+ hostfwd 0.0.0.0:81'])
    const reason = '0.0.0.0:81 of the host leads to guest port 81 already'
    expect(forwards.list()[1]).toMatchObject({ state: 'failed', reason, guestPort: 80 })
    expect(lines).toContain(`port 127.0.0.1:81 to guest port 80: not forwarded: ${reason}`)
    expect(vi.getTimerCount()).toBe(0)
  })

  test("docker's second listener moves nothing, whichever is seen first", async () => {
    const [four, six] = ['tcp 00000000 0050', 'tcp6 00000000000000000000000000000000 0050']
    for (const [first, second] of [
      [four, six],
      [six, four],
    ]) {
      const { forwards, settled } = fixture({ ipv6: true })
      forwards.update([first ?? ''], [], true)
      expect(await settled()).toHaveLength(2)
      forwards.update([second ?? ''], [], false)
      expect(await settled()).toEqual([])
    }
  })

  test('a change is told', async () => {
    const { forwards } = fixture()
    const changed = vi.fn()
    forwards.on('change', changed)
    forwards.update([wildcard80], [], false)
    await vi.advanceTimersByTimeAsync(0)
    expect(changed).toHaveBeenCalledTimes(1)
    expect([forwards.isActive('0.0.0.0:80'), forwards.isActive('0.0.0.0:81')]).toEqual([true, false])
  })
})

describe('close', () => {
  test('withdraws everything, and nothing comes after it', async () => {
    const { forwards, taken, settled } = fixture()
    taken.add(81)
    forwards.update([wildcard80, wildcard81], [], false)
    await settled()
    await forwards.close()
    expect(await settled()).toEqual(['- hostfwd 0.0.0.0:80'])
    forwards.update([loopback80], [], true)
    await vi.advanceTimersByTimeAsync(5000)
    expect(await settled()).toEqual([])
    expect(vi.getTimerCount()).toBe(0)
  })

  test('in the middle of opening: what was opened is closed', async () => {
    const { forwards, settled } = fixture()
    forwards.update([wildcard80], [], false)
    await Promise.resolve()
    await Promise.resolve()
    await forwards.close()
    const events = await settled()
    expect(events.filter((event) => event.startsWith('+'))).toHaveLength(
      events.filter((event) => event.startsWith('-')).length,
    )
    expect(forwards.list()).toEqual([])
  })
})
