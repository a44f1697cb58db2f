import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type PortForwardEntry, resolvePortForward } from '../../../src/config/port-forwards.ts'
import type { Listener } from '../../../src/portforward/listeners.ts'
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
  return { rules: settled, internal: new Set([22]), ipv6: false, platform: 'linux', ...more }
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
  test.each<[string, string[], string[]]>([
    ['nothing', [], []],
    ['wildcard', ['0.0.0.0 80'], ['0.0.0.0:80 hostfwd 80']],
    ['IPv6 wildcard', [':: 80'], ['0.0.0.0:80 hostfwd 80']],
    ['mapped wildcard', ['::ffff:0.0.0.0 80'], ['0.0.0.0:80 hostfwd 80']],
    ['both wildcards', ['0.0.0.0 80', ':: 80'], ['0.0.0.0:80 hostfwd 80']],
    ['loopback', ['127.0.0.1 80'], ['127.0.0.1:80 ssh 127.0.0.1 80']],
    ['another loopback', ['127.0.0.53 80'], ['127.0.0.1:80 ssh 127.0.0.53 80']],
    ['mapped loopback', ['::ffff:127.0.0.1 80'], ['127.0.0.1:80 ssh 127.0.0.1 80']],
    ['::1', ['::1 80'], ['127.0.0.1:80 ssh ::1 80']],
    ['IPv4 loopback comes before ::1', ['::1 80', '127.0.0.1 80'], ['127.0.0.1:80 ssh 127.0.0.1 80']],
    ['and in the other order', ['127.0.0.1 80', '::1 80'], ['127.0.0.1:80 ssh 127.0.0.1 80']],
    ['the usual loopback first', ['127.0.0.2 80', '127.0.0.1 80'], ['127.0.0.1:80 ssh 127.0.0.1 80']],
    ['a wildcard serves the loopback', ['127.0.0.1 80', '0.0.0.0 80'], ['0.0.0.0:80 hostfwd 80']],
    ['an IPv6 wildcard too', [':: 80', '127.0.0.1 80', '::1 80'], ['0.0.0.0:80 hostfwd 80']],
    ["the guest's card", ['10.0.2.15 80'], []],
    ['a bridge of the engine', ['172.17.0.1 80'], []],
    ['another IPv6 address', ['fe80::1 80'], []],
    ['SSH', ['0.0.0.0 22', ':: 22', '127.0.0.1 22'], []],
    ['UDP', ['udp 0.0.0.0 53'], ['0.0.0.0:53/udp hostfwd 53']],
    ['UDP beside TCP', ['udp :: 53', ':: 53'], ['0.0.0.0:53/udp hostfwd 53', '0.0.0.0:53 hostfwd 53']],
    ['UDP 22 is not SSH', ['udp 0.0.0.0 22'], ['0.0.0.0:22/udp hostfwd 22']],
    ['UDP on the loopback', ['udp 127.0.0.1 514'], ['127.0.0.1:514/udp ssh 127.0.0.1 514']],
    ['published without a listener', ['0.0.0.0 80 nat'], ['0.0.0.0:80 hostfwd 80']],
    ["the guest's DHCP and time", ['udp 0.0.0.0 68', 'udp 127.0.0.1 323', 'udp :: 546'], []],
    ["the guest's names", ['udp 127.0.0.53 53', '127.0.0.53 53', 'udp 0.0.0.0 5355', '0.0.0.0 5355'], []],
  ])('%s', (_, listeners, expected) => expect(planned(listeners)).toEqual(expected))
})

describe('a host with IPv6', () => {
  const six = settings([], { ipv6: true })
  test.each<[string, string[], string[]]>([
    ['wildcard', ['0.0.0.0 80'], ['0.0.0.0:80 hostfwd 80', '[::]:80 relay 127.0.0.1 80']],
    ['IPv6 wildcard', [':: 80'], ['0.0.0.0:80 hostfwd 80', '[::]:80 relay ::1 80']],
    ['UDP', ['udp 0.0.0.0 53'], ['0.0.0.0:53/udp hostfwd 53', '[::]:53/udp relay 127.0.0.1 53']],
    ['NAT', ['0.0.0.0 80 nat'], ['0.0.0.0:80 hostfwd 80', '[::]:80 relay 10.0.2.15 80']],
    ['loopback', ['127.0.0.1 80'], ['127.0.0.1:80 ssh 127.0.0.1 80', '[::1]:80 ssh 127.0.0.1 80']],
    ['::1', ['::1 80'], ['[::1]:80 ssh ::1 80', '127.0.0.1:80 ssh ::1 80']],
    [
      'each loopback has its own',
      ['127.0.0.1 80', '::1 80'],
      ['127.0.0.1:80 ssh 127.0.0.1 80', '[::1]:80 ssh ::1 80'],
    ],
  ])('%s', (_, listeners, expected) => expect(planned(listeners, six)).toEqual(expected))
})

// From Lima's hack/test-port-forwarding.pl; `ipv4` there is 192.0.2.7 here.
describe("Lima's own examples", () => {
  const rules: PortForwardEntry[] = [
    { guestIP: '127.0.0.2', guestPortRange: [3000, 3009], hostPortRange: [2000, 2009], ignore: true },
    { guestIP: '0.0.0.0', guestIPMustBeZero: false, guestPortRange: [3010, 3019], ignore: true },
    {
      guestIP: '0.0.0.0',
      guestIPMustBeZero: false,
      guestPortRange: [3000, 3029],
      hostPortRange: [2000, 2029],
    },
    { guestIP: '0.0.0.0', guestPortRange: [3020, 3029], hostPortRange: [2020, 2029], ignore: true },
    { guestPortRange: [3030, 3039], hostPortRange: [2030, 2039], hostIP: '192.0.2.7' },
    { guestPortRange: [310, 319], hostIP: '0.0.0.0' },
    { guestIP: '192.168.5.15', guestPortRange: [4000, 4009], hostIP: '192.0.2.7' },
    { guestIP: '::1', guestPortRange: [4010, 4019], hostIP: '::' },
    { guestIP: '::', guestPortRange: [4020, 4029], hostIP: '192.0.2.7' },
    { guestIPMustBeZero: true, guestPortRange: [4040, 4049] },
    { guestIP: '0.0.0.0', guestIPMustBeZero: false, guestPortRange: [4040, 4049], ignore: true },
    { guestIPMustBeZero: true, guestPort: 8888, hostIP: '0.0.0.0' },
  ]
  test.each<[string, string | undefined]>([
    ['127.0.0.2 3000', undefined],
    ['127.0.0.3 3001', '127.0.0.1:2001 ssh 127.0.0.3 3001'],
    // Blocking one address cannot block what listens on all.
    ['0.0.0.0 3002', '127.0.0.1:2002 hostfwd 3002'],
    ['0.0.0.0 3010', undefined],
    ['127.0.0.1 3011', undefined],
    ['127.0.0.2 3020', '127.0.0.1:2020 ssh 127.0.0.2 3020'],
    ['127.0.0.1 3021', '127.0.0.1:2021 ssh 127.0.0.1 3021'],
    // The rule that ignores these is shadowed.
    ['0.0.0.0 3022', '127.0.0.1:2022 hostfwd 3022'],
    [':: 3023', '127.0.0.1:2023 hostfwd 3023'],
    ['::1 3024', '127.0.0.1:2024 ssh ::1 3024'],
    ['127.0.0.1 3030', '192.0.2.7:2030 ssh 127.0.0.1 3030'],
    ['0.0.0.0 3031', '192.0.2.7:2031 hostfwd 3031'],
    [':: 3032', '192.0.2.7:2032 hostfwd 3032'],
    ['::1 3033', '192.0.2.7:2033 ssh ::1 3033'],
    ['127.0.0.1 310', '0.0.0.0:310 ssh 127.0.0.1 310'],
    ['192.168.5.15 4000', '192.0.2.7:4000 ssh 192.168.5.15 4000'],
    ['::1 4010', '[::]:4010 ssh ::1 4010'],
    ['127.0.0.1 4020', '192.0.2.7:4020 ssh 127.0.0.1 4020'],
    ['127.0.0.2 4021', '192.0.2.7:4021 ssh 127.0.0.2 4021'],
    ['192.168.5.15 4022', '192.0.2.7:4022 ssh 192.168.5.15 4022'],
    ['0.0.0.0 4023', '192.0.2.7:4023 hostfwd 4023'],
    [':: 4024', '192.0.2.7:4024 hostfwd 4024'],
    ['::1 4025', '192.0.2.7:4025 ssh ::1 4025'],
    ['0.0.0.0 4040', '127.0.0.1:4040 hostfwd 4040'],
    [':: 4041', '127.0.0.1:4041 hostfwd 4041'],
    ['127.0.0.1 4043', undefined],
    ['192.168.5.15 4044', undefined],
    ['0.0.0.0 8888', '0.0.0.0:8888 hostfwd 8888'],
  ])('%s', (text, expected) => {
    expect(planned([text], settings(rules))).toEqual(expected === undefined ? [] : [expected])
  })
})

describe('rules', () => {
  const to = (hostPort: number): PortForwardEntry => ({ guestPort: 80, hostPort })
  test.each<[string, PortForwardEntry[], string[], string[]]>([
    ['the first match has it', [to(1080), to(2080)], ['127.0.0.1 80'], ['127.0.0.1:1080 ssh 127.0.0.1 80']],
    ['others go by the defaults', [to(1080)], ['0.0.0.0 81'], ['0.0.0.0:81 hostfwd 81']],
    ['another port of the host', [to(1080)], ['0.0.0.0 80'], ['127.0.0.1:1080 hostfwd 80']],
    ['both protocols', [to(1080)], ['udp 0.0.0.0 80'], ['127.0.0.1:1080/udp hostfwd 80']],
    ['TCP only', [{ ...to(1080), proto: 'tcp' }], ['udp 0.0.0.0 80'], ['0.0.0.0:80/udp hostfwd 80']],
    ['UDP only', [{ ...to(1080), proto: 'udp' }], ['0.0.0.0 80'], ['0.0.0.0:80 hostfwd 80']],
    ['nothing at all', [{ ignore: true }, { guestIP: '0.0.0.0', ignore: true }], ['0.0.0.0 80', '::1 9'], []],
    [
      'nothing on all addresses',
      [{ guestIP: '0.0.0.0', ignore: true }],
      ['0.0.0.0 80', ':: 81', '127.0.0.1 82'],
      ['127.0.0.1:82 ssh 127.0.0.1 82'],
    ],
    [
      'all addresses on the loopback only',
      [{ guestIPMustBeZero: true, hostIP: '127.0.0.1' }],
      ['0.0.0.0 80', '127.0.0.1 81'],
      ['127.0.0.1:80 hostfwd 80', '127.0.0.1:81 ssh 127.0.0.1 81'],
    ],
    ['SSH whatever the rules', [{ guestPort: 22, hostPort: 2222 }], ['0.0.0.0 22'], []],
    ['SSH with static', [{ guestPort: 22, static: true, proto: 'tcp' }], [], []],
    [
      'the bounds of a range',
      [{ guestPortRange: [80, 82], hostPortRange: [1080, 1082] }],
      ['0.0.0.0 82', '0.0.0.0 83'],
      ['127.0.0.1:1082 hostfwd 82', '0.0.0.0:83 hostfwd 83'],
    ],
    [
      "the guest's resolver when told",
      [{ guestIP: '127.0.0.53', guestPort: 53, hostPort: 1053 }],
      ['udp 127.0.0.53 53'],
      ['127.0.0.1:1053/udp ssh 127.0.0.53 53'],
    ],
    ['a port to a socket', [{ guestPort: 80, hostSocket: '/s' }], ['0.0.0.0 80'], ['/s ssh 127.0.0.1 80']],
    ['without a listener there is none', [{ guestPort: 80, hostSocket: '/s' }], [], []],
    ['a socket to a socket', [{ guestSocket: '/g', hostSocket: '/s' }], [], ['/s ssh /g']],
    ['a socket to a port', [{ guestSocket: '/g', hostPort: 1080 }], [], ['127.0.0.1:1080 ssh /g']],
    ['static', [{ ...to(1080), static: true, proto: 'tcp' }], [], ['127.0.0.1:1080 ssh 127.0.0.1 80']],
    [
      'static for both protocols',
      [{ ...to(1080), static: true }],
      [],
      ['127.0.0.1:1080 ssh 127.0.0.1 80', '127.0.0.1:1080/udp ssh 127.0.0.1 80'],
    ],
    [
      'static stays as it is',
      [{ ...to(1080), static: true, proto: 'tcp' }],
      ['0.0.0.0 80'],
      ['127.0.0.1:1080 ssh 127.0.0.1 80'],
    ],
    [
      'static on all addresses',
      [{ guestIP: '0.0.0.0', guestPort: 80, static: true, proto: 'udp', hostIP: '0.0.0.0' }],
      [],
      ['0.0.0.0:80/udp hostfwd 80'],
    ],
    [
      'static, a range',
      [{ guestPortRange: [80, 81], static: true, proto: 'tcp' }],
      [],
      ['127.0.0.1:80 ssh 127.0.0.1 80', '127.0.0.1:81 ssh 127.0.0.1 81'],
    ],
    ['the other way nothing is planned', [{ guestPort: 80, reverse: true }], [], []],
    [
      'and its end in the guest does not come back',
      [{ guestPort: 80, hostPort: 81, reverse: true }],
      ['127.0.0.1 80', '::1 80'],
      [],
    ],
    [
      'two for one port of the host',
      [{ guestPort: 80, hostPort: 99 }],
      ['127.0.0.1 80', '127.0.0.1 99'],
      [
        '127.0.0.1:99 ssh 127.0.0.1 80',
        '127.0.0.1:99 to guest port 99: 127.0.0.1:99 of the host leads to guest port 80 already',
      ],
    ],
    [
      'one on all addresses before one on the loopback',
      [{ guestPort: 80, hostPort: 99 }],
      ['127.0.0.1 80', '0.0.0.0 99'],
      [
        '0.0.0.0:99 hostfwd 99',
        '127.0.0.1:99 to guest port 80: 0.0.0.0:99 of the host leads to guest port 99 already',
      ],
    ],
  ])('%s', (_, rules, listeners, expected) => {
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
    expect(planned(['0.0.0.0 80'], settings(rules, { ipv6: true }))).toEqual(['[::1]:80 relay 127.0.0.1 80'])
  })
})

// There, users may have a port below 1024 on all addresses, not on one.
test('macOS: a privileged port on the loopback is the agent’s, who can turn others away', () => {
  const mac = settings([{ guestPort: 80, proto: 'tcp' }], { platform: 'darwin' })
  expect(planned(['0.0.0.0 80'], mac)).toEqual(['127.0.0.1:80 ssh 127.0.0.1 80'])
  expect(planned(['0.0.0.0 443', '0.0.0.0 8080'], mac)).toEqual([
    '0.0.0.0:443 hostfwd 443',
    '0.0.0.0:8080 hostfwd 8080',
  ])
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
