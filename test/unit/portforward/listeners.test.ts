import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseListener } from '../../../src/portforward/listeners.ts'

describe('IPv4', () => {
  test.each([
    ['tcp 0100007F 1F90', '127.0.0.1', 8080],
    ['tcp 00000000 0050', '0.0.0.0', 80],
    ['tcp 0F02000A 0016', '10.0.2.15', 22],
    ['tcp 3500007F 0035', '127.0.0.53', 53],
    ['tcp FFFFFFFF FFFF', '255.255.255.255', 65_535],
  ])('%s', (text, address, port) => {
    expect(parseListener(text)).toEqual({ proto: 'tcp', family: 'ipv4', address, port })
  })
})

describe('IPv6', () => {
  test.each([
    ['00000000000000000000000000000000', '::'],
    ['00000000000000000000000001000000', '::1'],
    ['0000000000000000FFFF00000100007F', '::ffff:127.0.0.1'],
    ['0000000000000000FFFF000000000000', '::ffff:0.0.0.0'],
    ['B80D0120000000000000000001000000', '2001:db8::1'],
    ['000080FE00000000FF005450563412FE', 'fe80::5054:ff:fe12:3456'],
    // Of two runs of equal length the first is shortened, a single zero group never is (RFC 5952, section 4.2).
    ['B80D0120000000000000010001000000', '2001:db8::1:0:0:1'],
    ['B80D0120010000000100010001000100', '2001:db8:0:1:1:1:1:1'],
  ])('tcp6 %s', (hex, address) => {
    expect(parseListener(`tcp6 ${hex} 01BB`)).toEqual({
      proto: 'tcp',
      family: 'ipv6',
      address,
      port: 443,
    })
  })

  test('any address is the one that a URL would write', () => {
    // Many zeros, so that there are runs to shorten.
    const groups = fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff })), {
      minLength: 8,
      maxLength: 8,
    })
    fc.assert(
      fc.property(groups, (groups) => {
        fc.pre(!(groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff))
        const bytes = Buffer.alloc(16)
        for (const [at, group] of groups.entries()) bytes.writeUInt16BE(group, at * 2)
        const hex = bytes.swap32().toString('hex').toUpperCase()
        const url = new URL(`http://[${groups.map((group) => group.toString(16)).join(':')}]/`)
        expect(`[${parseListener(`tcp6 ${hex} 0001`)?.address}]`).toBe(url.hostname)
      }),
    )
  })
})

test('UDP, and what has no listener', () => {
  expect(parseListener('udp 00000000 0035')).toEqual({
    proto: 'udp',
    family: 'ipv4',
    address: '0.0.0.0',
    port: 53,
  })
  expect(parseListener('udp6 00000000000000000000000001000000 0035')).toMatchObject({
    proto: 'udp',
    address: '::1',
  })
  expect(parseListener('tcp 00000000 0050 nat')).toEqual({
    proto: 'tcp',
    family: 'ipv4',
    address: '0.0.0.0',
    port: 80,
    nat: true,
  })
  expect(parseListener('udp6 00000000000000000000000000000000 0050 nat')).toMatchObject({ nat: true })
})

describe('nothing else', () => {
  test.each([
    '',
    'tcp',
    'tcp 0100007F',
    'tcp 0100007F 0000',
    'tcp 0100007F 1F9',
    'tcp 0100007F 1F900',
    'tcp 0100007 1F90',
    'tcp 0100007f 1f90',
    'udp4 0100007F 1F90',
    'sctp 0100007F 1F90',
    'tcp 0100007F 1F90 nat nat',
    'tcp 0100007F 1F90 NAT',
    'tcp6 0100007F 1F90',
    'tcp 00000000000000000000000000000000 1F90',
    ' tcp 0100007F 1F90',
    'tcp 0100007F 1F90\n',
    'tcp  0100007F 1F90',
    'tcp 0100007F 1F90 0A',
  ])('%j', (text) => expect(parseListener(text)).toBeUndefined())

  test('any text: no error', () => {
    fc.assert(fc.property(fc.string(), (text) => void parseListener(text)))
  })
})
