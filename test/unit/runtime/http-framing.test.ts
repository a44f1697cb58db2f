import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Body, bodyByFields, type Head, HttpFraming } from '../../../src/runtime/http-framing.ts'

/** Reads pieces one after the other; gives the heads' first lines, where each ended, and whether it got lost. */
function read(pieces: Buffer[], bodyOf: (head: Head) => Body = bodyByFields) {
  const heads: string[] = []
  const ends: number[] = []
  const framing = new HttpFraming((head) => {
    heads.push(head.first)
    return bodyOf(head)
  })
  let at = 0
  for (const piece of pieces) {
    for (let from = 0; from < piece.length; ) {
      const { read, head } = framing.advance(piece.subarray(from))
      expect(read).toBeGreaterThan(0)
      from += read
      at += read
      if (head) ends.push(at)
    }
  }
  return { heads, ends, lost: framing.lost }
}

/** Cuts bytes at places. */
function cut(bytes: Buffer, places: number[]): Buffer[] {
  const sorted = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b)
  return [0, ...sorted].map((from, n) => bytes.subarray(from, sorted[n] ?? bytes.length))
}

const bodyBytes = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes))
const message = fc
  .record({
    name: fc.stringMatching(/^[a-z]{1,10}$/),
    body: fc.oneof(
      fc.constant({ fields: '', bytes: Buffer.alloc(0) }),
      bodyBytes.map((bytes) => ({ fields: `Content-Length: ${bytes.length}\r\n`, bytes })),
      fc
        .tuple(fc.array(bodyBytes.filter((bytes) => bytes.length > 0)), fc.boolean())
        .map(([chunks, trailer]) => ({
          fields: 'Transfer-Encoding: chunked\r\n',
          bytes: Buffer.concat([
            ...chunks.flatMap((chunk) => [
              Buffer.from(`${chunk.length.toString(16)};x=y\r\n`),
              chunk,
              Buffer.from('\r\n'),
            ]),
            Buffer.from(`0\r\n${trailer ? 'Digest: x\r\n' : ''}\r\n`),
          ]),
        })),
    ),
  })
  .map(({ name, body }) => {
    const head = Buffer.from(`POST /${name} HTTP/1.1\r\nHost: x\r\n${body.fields}Empty:\r\n\r\n`)
    return { first: `POST /${name} HTTP/1.1`, head, bytes: Buffer.concat([head, body.bytes]) }
  })

test('heads are found wherever the bytes are cut, and bodies that look like heads are none', () => {
  fc.assert(
    fc.property(fc.array(message), fc.array(fc.nat(5000)), (messages, places) => {
      const bytes = Buffer.concat(messages.map((each) => each.bytes))
      const { heads, ends, lost } = read(cut(bytes, places))
      expect(lost).toBe(false)
      expect(heads).toEqual(messages.map(({ first }) => first))
      let at = 0
      const wanted = messages.map((each) => {
        const end = at + each.head.length
        at += each.bytes.length
        return end
      })
      expect(ends).toEqual(wanted)
    }),
  )
})

test('any bytes: no error, no endless loop, and cuts change nothing', () => {
  const pieces = fc.oneof(
    fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    fc
      .array(
        fc.constantFrom(
          'GET / HTTP/1.1',
          '\r\n',
          '\r',
          '\n',
          'a: b',
          '0',
          '5',
          ';',
          'Content-Length: 3',
          'Transfer-Encoding: chunked',
          ' ',
        ),
      )
      .map((parts) => Buffer.from(parts.join(''))),
  )
  fc.assert(
    fc.property(pieces, fc.array(fc.nat(300)), (bytes, places) => {
      expect(read(cut(bytes, places))).toEqual(read([bytes]))
    }),
  )
})

test('a body that contains a head', () => {
  const inner = 'POST /inner HTTP/1.1\r\n\r\n'
  const outer = `POST /outer HTTP/1.1\r\nContent-Length: ${inner.length}\r\n\r\n${inner}GET /next HTTP/1.1\r\n\r\n`
  expect(read([Buffer.from(outer)]).heads).toEqual(['POST /outer HTTP/1.1', 'GET /next HTTP/1.1'])
})

describe('what is not understood', () => {
  test.each([
    ['two lengths', 'GET / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc'],
    ['a length that is none', 'GET / HTTP/1.1\r\nContent-Length: +3\r\n\r\nabc'],
    [
      'length and chunks',
      'GET / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['another coding', 'GET / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n'],
    ['a line that goes on', 'GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n'],
    ['a name with a blank', 'GET / HTTP/1.1\r\nA : b\r\n\r\n'],
    ['bare line feeds', 'GET / HTTP/1.1\nA: b\n\n'],
    ['a chunk without a size', 'GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n'],
    ['a chunk longer than it said', 'GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n'],
    ['a chunk of any size', `GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n${'f'.repeat(13)}\r\n`],
    ['a head without end', `GET / HTTP/1.1\r\n${'A: b\r\n'.repeat(20_000)}`],
    ['a line without end', 'x'.repeat(70_000)],
  ])('%s', (_name, text) => {
    const { lost, ends } = read([Buffer.from(`${text}GET /after HTTP/1.1\r\n\r\n`)])
    expect(lost).toBe(true)
    expect(ends.length).toBeLessThanOrEqual(1)
  })
})

test('names in lower case, repeated ones joined, blanks around values gone', () => {
  const heads: Head[] = []
  read([Buffer.from('GET / HTTP/1.1\r\nX-A:  one \t\r\nx-a:two\r\nB:\r\n\r\n')], (head) => {
    heads.push(head)
    return 0
  })
  expect([...(heads[0]?.fields ?? [])]).toEqual([
    ['x-a', 'one, two'],
    ['b', ''],
  ])
})
