import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type PortForwardEntry, resolvePortForward } from '../../../src/config/port-forwards.ts'
import type { Listener } from '../../../src/portforward/listeners.ts'
import { limaCases, limaRules, withIPv6, withoutRules, withRules } from '../../fixtures/port-rules.ts'
import { forwardKey, planForwards, type PlanSettings } from '../../../src/portforward/plan.ts'

function listener(address: string, port: number, proto: 'tcp' | 'udp' = 'tcp'): Listener {
  return { proto, family: address.includes(':') ? 'ipv6' : 'ipv4', address, port }
}

function settings(rules: PortForwardEntry[] = [], more: Partial<PlanSettings> = {}): PlanSettings {
  const settled = rules.map((rule) => {
    const result = resolvePortForward(rule, '/home/ann')
    if (!result.ok) throw new Error(`${result.key} ${result.problem}`)
    return result.value
  })
  return { rules: settled, internal: new Set([22]), ipv6: false, ...more }
}

/** The plan for listeners, written `[udp ]address port[ nat]`, in short: `host end via guest end`. */
function planned(listeners: string[], plan: PlanSettings = settings()): string[] {
  const all = listeners.map((text) => {
    const [, udp, address = '', port, nat] = /^(udp )?(\S+) (\d+)( nat)?$/.exec(text) ?? []
    return { ...listener(address, Number(port), udp ? 'udp' : 'tcp'), ...(nat ? { nat: true as const } : {}) }
  })
  return [...planForwards(all, plan).entries()].map(([key, forward]) => {
    const { via, guestAddress, guestPort, guestSocket, refused } = forward
    if (refused !== undefined) return `${key}: ${refused}`
    expect(key).toBe(forwardKey(forward))
    return `${key} ${via} ${guestSocket ?? `${guestAddress} ${guestPort}`}`.replace('  ', ' ')
  })
}

describe('without rules', () => {
  test.each(withoutRules)('%s', (_, listeners, expected) => expect(planned(listeners)).toEqual(expected))
})

describe('a host with IPv6', () => {
  const six = settings([], { ipv6: true })
  test.each(withIPv6)('%s', (_, listeners, expected) => expect(planned(listeners, six)).toEqual(expected))
})

describe("Lima's own examples", () => {
  test.each(limaCases)('%s', (text, expected) => {
    expect(planned([text], settings(limaRules))).toEqual(expected === undefined ? [] : [expected])
  })
})

describe('rules', () => {
  test.each(withRules)('%s', (_, rules, listeners, expected) => {
    expect(planned(listeners, settings(rules))).toEqual(expected)
  })

  test('sockets have one end on a host with IPv6, ports two', () => {
    const rules = [
      { guestSocket: '/g', hostSocket: '/s' },
      { guestSocket: '/g', hostPort: 1080 },
    ]
    expect(planned([], settings(rules, { ipv6: true }))).toEqual([
      '/s ssh /g',
      '127.0.0.1:1080 ssh /g',
      '[::1]:1080 ssh /g',
    ])
  })

  test('an IPv6 address of the host has no IPv4 beside it', () => {
    const rules = [{ guestPort: 80, hostIP: '::1' }]
    expect(planned(['0.0.0.0 80'], settings(rules, { ipv6: true }))).toEqual(['[::1]:80 hostfwd 80'])
  })
})

test('each port has one forward, and only ports with a listener have one', () => {
  const address = fc.constantFrom('0.0.0.0', '::', '127.0.0.1', '::1', '127.0.0.2', '10.0.2.15', '172.17.0.1')
  const listeners = fc.array(fc.record({ address, port: fc.integer({ min: 1, max: 6 }) }))
  fc.assert(
    fc.property(listeners, (listeners) => {
      const all = listeners.map(({ address, port }) => listener(address, port))
      const plan = planForwards(all, { ...settings(), internal: new Set([6]) })
      const ports = [...plan.values()].map((forward) => forward.hostPort)
      expect(new Set(ports).size).toBe(ports.length)
      for (const port of ports) expect(all.some((each) => each.port === port && port !== 6)).toBe(true)
      // One that is reachable from outside is never hidden behind the loopback.
      for (const { address, port } of all) {
        if (port === 6 || (address !== '0.0.0.0' && address !== '::')) continue
        expect(plan.get(`0.0.0.0:${port}`)?.via).toBe('hostfwd')
      }
    }),
  )
})
