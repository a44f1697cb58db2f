import { expect, test } from 'vitest'
import { clashingForward } from '../../../src/config/port-clashes.ts'
import { type PortForwardEntry, resolvePortForward } from '../../../src/config/port-forwards.ts'

function clash(...entries: PortForwardEntry[]) {
  const rules = entries.map((entry) => {
    const rule = resolvePortForward(entry, '/home/ann')
    if (!rule.ok) throw new Error(rule.problem)
    return rule.value
  })
  return clashingForward(rules)
}

test.each<[string, PortForwardEntry[]]>([
  [
    'other ports',
    [
      { guestPort: 80, hostPort: 8080 },
      { guestPort: 81, hostPort: 8081 },
    ],
  ],
  [
    'the same twice',
    [
      { guestPort: 80, hostPort: 8080 },
      { guestPort: 80, hostPort: 8080 },
    ],
  ],
  [
    'the rest as it is',
    [
      { guestPort: 80, hostPort: 8080 },
      { guestPortRange: [1, 65_535], hostIP: '0.0.0.0' },
    ],
  ],
  [
    'other addresses',
    [
      { guestPort: 80, hostPort: 90, hostIP: '127.0.0.2' },
      { guestPort: 81, hostPort: 90 },
    ],
  ],
  [
    'other protocols',
    [
      { guestPort: 80, hostPort: 90, proto: 'udp' },
      { guestPort: 81, hostPort: 90, proto: 'tcp' },
    ],
  ],
  [
    'one that is ignored',
    [
      { guestPort: 90, ignore: true },
      { guestPort: 81, hostPort: 90 },
    ],
  ],
  [
    'one into the guest',
    [
      { guestPort: 80, hostPort: 90, reverse: true },
      { guestPort: 81, hostPort: 90 },
    ],
  ],
  [
    'sockets',
    [
      { guestSocket: '/a', hostSocket: 'a.sock' },
      { guestSocket: '/b', hostSocket: 'b.sock' },
    ],
  ],
])('no clash: %s', (_, rules) => {
  expect(clash(...rules)).toBeUndefined()
})

test.each<[string, PortForwardEntry[], string]>([
  [
    'a port',
    [
      { guestPort: 80, hostPort: 8080 },
      { guestPort: 81, hostPort: 8080 },
    ],
    'port 8080 of this computer',
  ],
  [
    'ranges that overlap',
    [
      { guestPortRange: [3000, 3009], hostPortRange: [4000, 4009] },
      { guestPortRange: [5000, 5009], hostPortRange: [4005, 4014] },
    ],
    'port 4005 of this computer',
  ],
  [
    'all addresses and one of them',
    [
      { guestPort: 80, hostPort: 90, hostIP: '0.0.0.0' },
      { guestPort: 81, hostPort: 90 },
    ],
    'port 90 of this computer',
  ],
  [
    'a socket',
    [
      { guestSocket: '/a', hostSocket: 'x.sock' },
      { guestSocket: '/b', hostSocket: 'x.sock' },
    ],
    'x.sock',
  ],
])('a clash: %s', (_, rules, what) => {
  expect(clash({ guestPort: 1 }, ...rules)).toEqual({ earlier: 1, later: 2, what })
})
