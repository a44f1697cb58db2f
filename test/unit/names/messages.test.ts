import * as packet from 'dns-packet'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { makeQuery, type Query, readQuery } from '../../../src/names/query.ts'
import { codes, Malformed, recordsOf, types } from '../../../src/names/records.ts'
import { addressData, addressesIn, answers, fitted, pointerData, reply } from '../../../src/names/reply.ts'

// dns-packet is the other end: what it writes is read here, and the other way about.

function asked(name: string, type: packet.RecordType, size?: number): Buffer {
  const option = { type: 'OPT', name: '.', udpPayloadSize: size ?? 0, flags: 0, options: [] } as never
  return packet.encode({
    type: 'query',
    id: 4711,
    flags: packet.RECURSION_DESIRED,
    questions: [{ name, type }],
    additionals: size === undefined ? [] : [option],
  })
}

function read(bytes: Buffer): Query {
  const query = readQuery(bytes)
  if (query === undefined || query === 'malformed') throw new Error(`not read: ${bytes.toString('hex')}`)
  return query
}

describe('queries', () => {
  test.each([
    ['a.Fake.TEST', 'A', undefined, { name: 'a.fake.test', type: 1, udpSize: 512, edns: false }],
    ['a.test', 'AAAA', 1232, { name: 'a.test', type: 28, udpSize: 1232, edns: true }],
    ['a.test', 'TXT', 100, { name: 'a.test', type: 16, udpSize: 512, edns: true }],
    ['.', 'NS', undefined, { name: '', type: 2, udpSize: 512, edns: false }],
  ] as const)('%s %s', (name, type, size, wanted) => {
    expect(read(asked(name, type, size))).toMatchObject({ ...wanted, class: 1, opcode: 0 })
  })

  test('a dot within a label is none between two', () => {
    const bytes = Buffer.concat([
      makeQuery('', 1).subarray(0, 12),
      Buffer.from('\x03a.b\x00\x00\x01\x00\x01'),
    ])
    expect(read(bytes).name).toBe(String.raw`a\046b`)
  })

  const question = Buffer.from('\x01a\x00\x00\x01\x00\x01', 'latin1')
  const header = (flags: number, ...counts: number[]) =>
    Buffer.from([0, 1, flags, 0, ...counts.flatMap((count) => [count >> 8, count & 255])])
  test.each<[string, Buffer, 'malformed' | undefined]>([
    ['nothing', Buffer.alloc(0), undefined],
    ['half a header', Buffer.alloc(11), undefined],
    ['an answer', Buffer.concat([header(0x80, 1, 0, 0, 0), question]), undefined],
    ['no question', header(0, 0, 0, 0, 0), 'malformed'],
    ['two questions', Buffer.concat([header(0, 2, 0, 0, 0), question, question]), 'malformed'],
    ['a question that is not there', header(0, 1, 0, 0, 0), 'malformed'],
    [
      'a pointer to itself',
      Buffer.concat([header(0, 1, 0, 0, 0), Buffer.from([0xc0, 12, 0, 1, 0, 1])]),
      'malformed',
    ],
    [
      'a label of a kind that there is not',
      Buffer.concat([header(0, 1, 0, 0, 0), Buffer.from([0x40, 1, 0, 0, 1, 0, 1])]),
      'malformed',
    ],
    ['a record that is not there', Buffer.concat([header(0, 1, 0, 0, 9), question]), 'malformed'],
    [
      'a name of more than 255 bytes',
      Buffer.concat([
        header(0, 1, 0, 0, 0),
        ...Array.from({ length: 5 }, () => Buffer.from(`\x3f${'x'.repeat(63)}`)),
        Buffer.from([0, 0, 1, 0, 1]),
      ]),
      'malformed',
    ],
  ])('%s', (_, bytes, outcome) => expect(readQuery(bytes)).toBe(outcome))

  test('any bytes, and any query with a byte changed: read or refused', () => {
    const query = asked('some.name.test', 'A', 1232)
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 300 }),
        fc.nat(query.length - 1),
        fc.nat(255),
        (any, at, value) => {
          const changed = Buffer.from(query)
          changed[at] = value
          for (const bytes of [Buffer.from(any), changed]) {
            readQuery(bytes)
            answers(bytes, query)
            fitted(bytes.length < 12 ? query : bytes, 40)
          }
        },
      ),
      { numRuns: 2000 },
    )
  })
})

describe('replies', () => {
  test('the question comes back as it was asked, with our answers', () => {
    const decoded = packet.decode(
      reply(read(asked('Db.TesT', 'A', 1232)), codes.ok, addressData(['10.1.2.3', '::1'], types.A)),
    )
    expect(decoded).toMatchObject({
      id: 4711,
      rcode: 'NOERROR',
      flag_rd: true,
      flag_ra: true,
      questions: [{ name: 'Db.TesT', type: 'A', class: 'IN' }],
      answers: [{ name: 'Db.TesT', type: 'A', ttl: 5, data: '10.1.2.3' }],
    })
    expect(decoded.additionals).toMatchObject([{ type: 'OPT', udpPayloadSize: 4096 }])
  })

  test.each(['::1', '2001:db8::5:6', '::', 'fe80:1:2:3:4:5:6:7', '::ffff:1.2.3.4', '1::'])(
    'AAAA %s',
    (address) => {
      const [found] =
        packet.decode(reply(read(asked('a.test', 'AAAA')), codes.ok, addressData([address], types.AAAA)))
          .answers ?? []
      const url = (text: unknown) => new URL(`http://[${String(text)}]`).hostname
      expect(url((found as { data: string }).data)).toBe(url(address))
    },
  )

  test('a name', () => {
    const decoded = packet.decode(
      reply(read(asked('2.2.0.10.in-addr.arpa', 'PTR')), codes.ok, [pointerData('host.docker.internal')]),
    )
    expect(decoded.answers).toMatchObject([{ type: 'PTR', data: 'host.docker.internal' }])
  })

  test.each([
    ['another number', (bytes: Buffer) => bytes.writeUInt16BE(1, 0), false],
    ['a query', (bytes: Buffer) => bytes.writeUInt8(1, 2), false],
    ['another name', (bytes: Buffer) => bytes.write('b', 13), false],
    ['another case', (bytes: Buffer) => bytes.write('A', 13), true],
    ['nothing', () => 0, true],
  ])('belongs to its query but for %s', (_, change, outcome) => {
    const query = asked('a.test', 'A')
    const answer = reply(read(query), codes.ok)
    change(answer)
    expect(answers(answer, query)).toBe(outcome)
  })

  const texts = Array.from({ length: 10 }, (_, index) => `${index}${'x'.repeat(99)}`)
  const long = packet.encode({
    type: 'response',
    id: 1,
    questions: [{ name: 'big.test', type: 'TXT' }],
    answers: texts.map((data) => ({ name: 'big.test', type: 'TXT', data })),
    authorities: [{ name: 'test', type: 'NS', data: 'ns.test' }],
    additionals: [{ type: 'OPT', name: '.', udpPayloadSize: 1232, flags: 0, options: [] } as never],
  })
  test.each([512, 600, 1232])('is cut to %d bytes between two records', (size) => {
    const cut = fitted(long, size)
    const decoded = packet.decode(cut)
    expect(cut.length).toBeLessThanOrEqual(size)
    expect(cut.length).toBeGreaterThan(Math.min(long.length, size) - 130)
    expect(decoded.flag_tc).toBe(size < long.length)
    expect(decoded.additionals).toMatchObject([{ type: 'OPT', udpPayloadSize: 1232 }])
    const kept = (decoded.answers ?? []).map((each) => String((each as { data: Buffer[] }).data))
    expect(kept).toEqual(texts.slice(0, kept.length))
  })

  test('addresses behind a chain of names', () => {
    const answer = packet.encode({
      type: 'response',
      questions: [{ name: 'a.test', type: 'A' }],
      answers: [
        { name: 'a.test', type: 'CNAME', ttl: 30, data: 'b.test' },
        { name: 'b.test', type: 'A', ttl: 60, data: '10.1.2.3' },
      ],
    })
    expect(addressesIn(answer, types.A)).toEqual({ data: [Buffer.from([10, 1, 2, 3])], ttl: 30 })
    expect(() => recordsOf(answer.subarray(0, answer.length - 1))).toThrow(Malformed)
    expect(addressesIn(answer.subarray(0, answer.length - 1), types.A).data).toEqual([])
  })
})
