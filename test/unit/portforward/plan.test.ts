import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Listener } from '../../../src/portforward/listeners.ts'
import { forwardKey, planForwards } from '../../../src/portforward/plan.ts'

function listener(address: string, port: number): Listener {
  return { proto: 'tcp', family: address.includes(':') ? 'ipv6' : 'ipv4', address, port }
}

/** The plan for addresses at port 8080, in short: `host address via guest address`. */
function planned(...addresses: string[]): string[] {
  const plan = planForwards(
    addresses.map((address) => listener(address, 8080)),
    new Set(),
  )
  return [...plan.entries()].map(([key, forward]) => {
    expect(key).toBe(forwardKey(forward))
    expect(forward.hostPort).toBe(8080)
    expect(forward.guestPort).toBe(8080)
    return `${forward.hostAddress} ${forward.via} ${forward.guestAddress}`.trimEnd()
  })
}

const everywhere = '0.0.0.0 hostfwd'

describe('what appears where', () => {
  test.each<[string, string[], string[]]>([
    ['nothing', [], []],
    ['wildcard', ['0.0.0.0'], [everywhere]],
    ['IPv6 wildcard', ['::'], [everywhere]],
    ['mapped wildcard', ['::ffff:0.0.0.0'], [everywhere]],
    ['both wildcards', ['0.0.0.0', '::'], [everywhere]],
    ['loopback', ['127.0.0.1'], ['127.0.0.1 ssh 127.0.0.1']],
    ['another loopback', ['127.0.0.53'], ['127.0.0.1 ssh 127.0.0.53']],
    ['mapped loopback', ['::ffff:127.0.0.1'], ['127.0.0.1 ssh ::ffff:127.0.0.1']],
    ['::1', ['::1'], ['127.0.0.1 ssh ::1']],
    ['IPv4 loopback comes before ::1', ['::1', '127.0.0.1'], ['127.0.0.1 ssh 127.0.0.1']],
    ['and in the other order', ['127.0.0.1', '::1'], ['127.0.0.1 ssh 127.0.0.1']],
    ['a wildcard serves the loopback', ['127.0.0.1', '0.0.0.0'], [everywhere]],
    ['an IPv6 wildcard too', ['::', '127.0.0.1', '::1'], [everywhere]],
    ["the guest's card", ['10.0.2.15'], []],
    ['a bridge of the engine', ['172.17.0.1'], []],
    ['another IPv6 address', ['fe80::1'], []],
  ])('%s', (_, addresses, expected) => expect(planned(...addresses)).toEqual(expected))
})

test('internal ports never appear, whatever they listen on', () => {
  const addresses = ['0.0.0.0', '::', '127.0.0.1', '::1']
  const listeners = addresses.flatMap((address) => [listener(address, 22), listener(address, 80)])
  expect([...planForwards(listeners, new Set([22])).keys()]).toEqual(['0.0.0.0:80'])
})

test('each port has one forward, and only ports with a listener have one', () => {
  const address = fc.constantFrom('0.0.0.0', '::', '127.0.0.1', '::1', '127.0.0.2', '10.0.2.15', '172.17.0.1')
  const listeners = fc.array(fc.record({ address, port: fc.integer({ min: 1, max: 6 }) }))
  fc.assert(
    fc.property(listeners, (listeners) => {
      const all = listeners.map(({ address, port }) => listener(address, port))
      const plan = planForwards(all, new Set([6]))
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
