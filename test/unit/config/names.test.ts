import { describe, expect, test } from 'vitest'
import { flagChanges, type FlagValues } from '../../../src/config/flags.ts'
import { parseConfig } from '../../../src/config/load.ts'
import { applyChanges } from '../../../src/config/save.ts'
import { serverOf } from '../../../src/config/names.ts'
import { errorOf, facts } from './facts.ts'

const network = (text: string, flags: Partial<FlagValues> = {}) =>
  parseConfig(text, 'f.yaml', flagChanges(flags, facts), facts).config.network

test.each<[string, object]>([
  ['', { dns: [], dnsHosts: {} }],
  ['network:', { dns: [], dnsHosts: {} }],
  ['network: {dns: null, dnsHosts: null}', { dns: [], dnsHosts: {} }],
  [
    'network: {dns: [1.1.1.1, "::1", "127.0.0.1:5353", "[::1]:53"]}',
    { dns: ['1.1.1.1', '::1', '127.0.0.1:5353', '[::1]:53'], dnsHosts: {} },
  ],
  [
    'network:\n  dnsHosts:\n    A.Test.: 10.1.2.3\n    b_c: a.test\n',
    { dns: [], dnsHosts: { 'a.test': '10.1.2.3', b_c: 'a.test' } },
  ],
  // One that others know better
  [
    'network: {dnsHosts: {x.test: "::1", y.test: Z.Test.}}',
    { dns: [], dnsHosts: { 'x.test': '::1', 'y.test': 'z.test' } },
  ],
])('%j', (text, wanted) => expect(network(text)).toEqual(wanted))

describe('what is wrong is told with file, line and column', () => {
  test.each<[string, string]>([
    ['network: 1', '1:10: network must be a map, not 1'],
    [
      'network: {dns: 1.1.1.1}',
      '1:16: network.dns must be a list of IP addresses of name servers, not "1.1.1.1"',
    ],
    [
      'network:\n  dns:\n    - dns.google',
      '3:7: network.dns[0] must be the IP address of a name server, such as 1.1.1.1, not "dns.google"',
    ],
    [
      'network: {dns: [1.1.1.1.1]}',
      '1:17: network.dns[0] must be the IP address of a name server, such as 1.1.1.1, not "1.1.1.1.1"',
    ],
    [
      'network: {dns: ["1.1.1.1:0"]}',
      '1:17: network.dns[0] must be the IP address of a name server, such as 1.1.1.1, not "1.1.1.1:0"',
    ],
    [
      'network: {dnsHosts: [a]}',
      '1:21: network.dnsHosts must be a map of names to IP addresses or other names, not ["a"]',
    ],
    [
      'network:\n  dnsHosts:\n    a.test: 10.1.2',
      '3:13: network.dnsHosts.a.test must be an IP address or a host name, not "10.1.2"',
    ],
    [
      'network:\n  dnsHosts:\n    a.test: 1',
      '3:13: network.dnsHosts.a.test must be an IP address or a host name, not 1',
    ],
    [
      'network:\n  dnsHosts:\n    a b: 1.1.1.1',
      '3:10: network.dnsHosts.a b is wrong: "a b" must be a host name',
    ],
    [
      'network:\n  dnsHosts:\n    a: 1.1.1.1\n    A: 1.1.1.2',
      '4:8: network.dnsHosts.A is wrong: a is there twice',
    ],
    [
      'network:\n  dnsHosts:\n    c: a\n    a: b\n    b: A',
      '4:8: network.dnsHosts.a is wrong: it stands for itself',
    ],
  ])('%j', (text, message) => {
    expect(errorOf(() => network(text))).toMatchObject({ code: 'config', message: `f.yaml:${message}` })
  })
})

test.each<[Partial<FlagValues>, object]>([
  [{ dns: ['1.1.1.1', '8.8.8.8,::1'] }, { dns: ['1.1.1.1', '8.8.8.8', '::1'], dnsHosts: { a: '1.2.3.4' } }],
  [
    { dnsHost: ['B.test=10.1.1.1', 'c=b.test'] },
    { dns: ['9.9.9.9'], dnsHosts: { 'b.test': '10.1.1.1', c: 'b.test' } },
  ],
  [{}, { dns: ['9.9.9.9'], dnsHosts: { a: '1.2.3.4' } }],
])('flags %j take the place of the part that they name', (flags, wanted) => {
  expect(network('network: {dns: [9.9.9.9], dnsHosts: {a: 1.2.3.4}}', flags)).toEqual(wanted)
})

test.each<[Partial<FlagValues>, string]>([
  [{ dns: ['one'] }, '--dns must be the IP address of a name server, such as 1.1.1.1, not "one"'],
  [{ dns: [''] }, '--dns must be the IP address of a name server, such as 1.1.1.1, not ""'],
  [{ dnsHost: ['a.test'] }, '--dns-host takes NAME=VALUE, not "a.test"'],
  [{ dnsHost: ['=1.1.1.1'] }, '--dns-host: the name must be a host name, not ""'],
  [{ dnsHost: ['1.1.1.1=a'] }, '--dns-host: the name must be a host name, not "1.1.1.1"'],
  [{ dnsHost: ['a='] }, '--dns-host: a must be an IP address or a host name, not ""'],
  [{ dnsHost: ['a=b', 'b=a'] }, '--dns-host: a stands for itself'],
])('%j is refused', (flags, message) => {
  expect(errorOf(() => flagChanges(flags, facts))).toMatchObject({ code: 'usage', message })
})

test.each<[string, string]>([
  ['cpu: 2\n', 'cpu: 2\nnetwork:\n  dns:\n    - 1.1.1.1\n'],
  ['network: {} # none\ncpu: 2\n', 'network: # none\n  dns:\n    - 1.1.1.1\ncpu: 2\n'],
  [
    'network:\n    # mine\n    mode: shared   # as ever\ncpu: 2\n',
    'network:\n    # mine\n    mode: shared   # as ever\n    dns:\n      - 1.1.1.1\ncpu: 2\n',
  ],
  [
    'network:\n  dns: []\n  # own\n  dnsHosts: {a: 1.1.1.1} # x\n',
    'network:\n  dns:\n    - 1.1.1.1\n  # own\n  dnsHosts: {a: 1.1.1.1} # x\n',
  ],
  ['network:\n  dns: [1.1.1.1] # same\n', 'network:\n  dns: [1.1.1.1] # same\n'],
])('saved into %j, all else stays', (before, after) => {
  expect(applyChanges(before, { network: { dns: ['1.1.1.1'] } })).toBe(after)
})

test.each([
  ['1.1.1.1', '1.1.1.1', 53],
  ['::1', '::1', 53],
  ['127.0.0.1:5353', '127.0.0.1', 5353],
  ['[2001:db8::1]:54', '2001:db8::1', 54],
])('the server %s', (text, address, port) => expect(serverOf(text)).toEqual({ address, port }))
