import { describe, expect, test } from 'vitest'
import { parseConfig } from '../../../src/config/load.ts'
import type { PortForward } from '../../../src/config/port-forwards.ts'
import { errorOf, facts } from './facts.ts'

const parse = (text: string) => parseConfig(text, 'f.yaml', {}, facts).config.portForwards
const rule = (text: string) => parse(`portForwards:\n- {${text}}`)[0]

describe('a rule gets the defaults of Lima', () => {
  const plain: PortForward = {
    proto: 'any',
    guestIP: '127.0.0.1',
    guestIPMustBeZero: false,
    guestPorts: [80, 80],
    hostIP: '127.0.0.1',
    hostPorts: [80, 80],
    ignore: false,
    reverse: false,
    static: false,
  }
  const { guestPorts: _guest, hostPorts: _host, ...portless } = plain
  test.each<[string, PortForward]>([
    ['guestPort: 80', plain],
    ['guestPort: 80, hostPort: null', plain],
    ['guestPort: 80, hostPort: 81', { ...plain, hostPorts: [81, 81] }],
    ['ignore: true', { ...plain, ignore: true, guestPorts: [1, 65_535], hostPorts: [1, 65_535] }],
    ['guestPortRange: [1, 9]', { ...plain, guestPorts: [1, 9], hostPorts: [1, 9] }],
    [
      'guestPortRange: [1, 9], hostPortRange: [11, 19]',
      { ...plain, guestPorts: [1, 9], hostPorts: [11, 19] },
    ],
    ['guestPort: 80, guestIP: 0.0.0.0', { ...plain, guestIP: '0.0.0.0', guestIPMustBeZero: true }],
    [
      'guestPort: 80, guestIP: 0.0.0.0, guestIPMustBeZero: false',
      { ...plain, guestIP: '0.0.0.0', guestIPMustBeZero: false },
    ],
    ['guestPort: 80, guestIPMustBeZero: true', { ...plain, guestIP: '0.0.0.0', guestIPMustBeZero: true }],
    ['guestPort: 80, hostIP: "::1", proto: udp', { ...plain, hostIP: '::1', proto: 'udp' }],
    [
      'guestPort: 80, hostIP: "0:0::0:1", guestIP: "2001:DB8::0"',
      { ...plain, hostIP: '::1', guestIP: '2001:db8::' },
    ],
    ['guestPort: 80, static: true', { ...plain, static: true }],
    [
      'guestSocket: /run/a.sock, hostSocket: a.sock',
      { ...portless, proto: 'tcp', guestSocket: '/run/a.sock', hostSocket: 'a.sock' },
    ],
    [
      'guestSocket: /run/a.sock, hostSocket: ~/x/../a.sock, reverse: true',
      {
        ...portless,
        proto: 'tcp',
        guestSocket: '/run/a.sock',
        hostSocket: '/home/ann/a.sock',
        reverse: true,
      },
    ],
    [
      'guestSocket: /run/a.sock, hostPort: 80',
      { ...portless, proto: 'tcp', guestSocket: '/run/a.sock', hostPorts: [80, 80] },
    ],
    ['guestPort: 80, hostSocket: /a', { ...portless, proto: 'tcp', guestPorts: [80, 80], hostSocket: '/a' }],
    ['hostPort: 80, reverse: true', { ...plain, proto: 'tcp', reverse: true }],
  ])('%s', (text, expected) => expect(rule(text)).toEqual(expected))

  test('no key and no value: none', () => {
    expect([parse(''), parse('portForwards:'), parse('portForwards: []')]).toEqual([[], [], []])
  })
})

describe('what is wrong is told where it stands', () => {
  const both = 'cannot stand beside'
  test.each<[string, string]>([
    ['portForwards: 80', '1:15: portForwards must be a list of rules, not 80'],
    [
      'portForwards: [80]',
      '1:16: portForwards[0] must be a map with keys such as guestPort and hostPort, not 80',
    ],
    ['guestport: 80', '2:4: unknown key "portForwards[0].guestport"; did you mean "guestPort"?'],
    ['guestPort: "80"', '2:15: portForwards[0].guestPort must be a port from 1 to 65535, not "80"'],
    ['guestPort: 0', '2:15: portForwards[0].guestPort must be a port from 1 to 65535, not 0'],
    ['hostPort: 65536', '2:14: portForwards[0].hostPort must be a port from 1 to 65535, not 65536'],
    [
      'guestPortRange: [1]',
      '2:20: portForwards[0].guestPortRange must be the first and the last port, such as [3000, 3009], not [1]',
    ],
    [
      'guestPortRange: [1, x]',
      '2:24: portForwards[0].guestPortRange[1] must be a port from 1 to 65535, not "x"',
    ],
    [
      'guestPortRange: [9, 1]',
      '2:20: portForwards[0].guestPortRange must begin with its lower port, not [9,1]',
    ],
    [
      'guestPort: 1, guestPortRange: [1, 2]',
      `2:34: portForwards[0].guestPortRange ${both} guestPort: one of them is enough`,
    ],
    [
      'guestPortRange: [1, 9], hostPortRange: [1, 8]',
      "2:43: portForwards[0].hostPortRange must have as many ports as the guest's: 9, not 8",
    ],
    [
      'guestPortRange: [1, 9], hostPort: 1',
      "2:38: portForwards[0].hostPort must have as many ports as the guest's: 9, not 1",
    ],
    ['hostPort: 1', '2:14: portForwards[0].hostPort needs guestPort or guestPortRange'],
    [
      'guestPort: 1, guestIP: localhost',
      '2:27: portForwards[0].guestIP must be an IP address, such as 127.0.0.1 or ::1, not "localhost"',
    ],
    [
      'guestPort: 1, hostIP: "fe80::1%lo"',
      '2:26: portForwards[0].hostIP must be an IP address, such as 127.0.0.1 or ::1, not "fe80::1%lo"',
    ],
    [
      'guestIP: 127.0.0.1, guestIPMustBeZero: true',
      '2:43: portForwards[0].guestIPMustBeZero can only be true when guestIP is 0.0.0.0, not "127.0.0.1"',
    ],
    ['guestPort: 1, proto: sctp', '2:25: portForwards[0].proto must be tcp, udp or any, not "sctp"'],
    ['guestPort: 1, static: yes', '2:26: portForwards[0].static must be true or false, not "yes"'],
    ['static: true', '2:12: portForwards[0].static needs guestPort, guestPortRange or guestSocket'],
    [
      'guestSocket: /a, guestPort: 1, hostSocket: /b',
      `2:17: portForwards[0].guestSocket ${both} guestPort: it is one or the other`,
    ],
    [
      'guestPort: 1, hostPort: 1, hostSocket: /b',
      `2:43: portForwards[0].hostSocket ${both} hostPort: it is one or the other`,
    ],
    ['guestSocket: /a', '2:17: portForwards[0].guestSocket needs hostSocket or hostPort'],
    ['hostSocket: /a', '2:16: portForwards[0].hostSocket needs guestSocket or one guestPort'],
    [
      'hostSocket: /a, guestPortRange: [1, 2]',
      '2:16: portForwards[0].hostSocket needs guestSocket or one guestPort',
    ],
    [
      'guestSocket: /a, hostPortRange: [1, 2]',
      '2:36: portForwards[0].hostPortRange must be one port for guestSocket',
    ],
    [
      'guestSocket: a, hostSocket: /b',
      '2:17: portForwards[0].guestSocket must be an absolute path in the guest, not "a"',
    ],
    [
      'guestSocket: /a, hostSocket: "{{.Dir}}/a"',
      '2:33: portForwards[0].hostSocket knows no variables: write ~ for your home folder, and a relative path for the folder of the instance',
    ],
    [
      'guestSocket: /a, hostSocket: docker.sock',
      "2:33: portForwards[0].hostSocket must be another name: docker.sock is one of tcolima's own in that folder",
    ],
    [
      'guestSocket: /a, hostSocket: ~bob/a',
      '2:33: portForwards[0].hostSocket must not begin with the home folder of another user: "~bob/a"',
    ],
    [
      'guestSocket: /a, hostSocket: /b/',
      '2:33: portForwards[0].hostSocket must be the path of a socket, not "/b/"',
    ],
    [
      'guestSocket: /a, hostSocket: /b, proto: udp',
      '2:44: portForwards[0].proto cannot be udp with guestSocket',
    ],
    ['guestPort: 1, ignore: true, static: true', '2:26: portForwards[0].ignore cannot be true beside static'],
    ['guestPort: 1, reverse: true, proto: udp', '2:40: portForwards[0].proto cannot be udp with reverse'],
    [
      'guestPortRange: [1, 2], reverse: true',
      '2:37: portForwards[0].reverse needs guestSocket or one guestPort',
    ],
    ['guestSocket: /a, reverse: true', '2:17: portForwards[0].guestSocket needs hostSocket or hostPort'],
    [
      'guestPort: 1, reverse: true, guestIP: 0.0.0.0',
      '2:42: portForwards[0].guestIP must be 127.0.0.1 or ::1 with reverse',
    ],
  ])('%s', (text, message) => {
    const file = text.startsWith('portForwards') ? text : `portForwards:\n- {${text}}`
    const error = errorOf(() => parse(file))
    expect(error.code).toBe('config')
    expect(error.message).toBe(`f.yaml:${message}`)
  })
})
