import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type FileAttrs, readAttrs, writeAttrs } from '../../../src/mounts/codec-attrs.ts'
import { ByteReader } from '../../../src/mounts/codec-reader.ts'
import { dataReply, DATA_HEADER, nameReply, statusReply } from '../../../src/mounts/codec-replies.ts'
import { decodeRequest } from '../../../src/mounts/codec-requests.ts'
import { ByteWriter } from '../../../src/mounts/codec-writer.ts'
import { PacketReader } from '../../../src/mounts/packets.ts'
import { Fxp, MAX_PACKET } from '../../../src/mounts/protocol.ts'
import { decodeReply, packet } from './client.ts'

const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array).toString('latin1'))
const u32 = fc.nat({ max: 0xffffffff })
const attrs: fc.Arbitrary<FileAttrs> = fc
  .record({
    size: fc.option(fc.maxSafeNat(), { nil: undefined }),
    owner: fc.option(fc.record({ uid: u32, gid: u32 }), { nil: undefined }),
    mode: fc.option(u32, { nil: undefined }),
    times: fc.option(fc.record({ atime: u32, mtime: u32 }), { nil: undefined }),
  })
  .map(({ size, owner, mode, times }) => ({
    ...(size === undefined ? {} : { size }),
    ...(mode === undefined ? {} : { mode }),
    ...owner,
    ...times,
  }))

describe('codec', () => {
  test('attributes survive the trip', () => {
    fc.assert(
      fc.property(attrs, (value) => {
        const writer = new ByteWriter(Fxp.ATTRS, 8)
        writeAttrs(writer, value)
        expect(readAttrs(new ByteReader(writer.finish().subarray(5)))).toEqual(value)
      }),
    )
  })

  test('requests survive the trip, with any bytes as names', () => {
    fc.assert(
      fc.property(u32, bytes, bytes, attrs, fc.maxSafeNat(), (id, a, b, value, offset) => {
        const open = packet(Fxp.OPEN, id, (w) => writeAttrs(w.text(a).u32(9), value)).subarray(4)
        expect(decodeRequest(open)).toEqual({ kind: 'open', id, path: a, pflags: 9, attrs: value })
        const write = packet(Fxp.WRITE, id, (w) => w.text(a).u64(offset).text(b)).subarray(4)
        expect(decodeRequest(write)).toEqual({
          kind: 'write',
          id,
          handle: a,
          offset,
          data: Buffer.from(b, 'latin1'),
        })
        const link = packet(Fxp.SYMLINK, id, (w) => w.text(a).text(b)).subarray(4)
        expect(decodeRequest(link)).toEqual({ kind: 'symlink', id, target: a, path: b })
        const rename = packet(Fxp.EXTENDED, id, (w) => w.text('posix-rename@openssh.com').text(a).text(b))
        expect(decodeRequest(rename.subarray(4))).toEqual({ kind: 'posix-rename', id, from: a, to: b })
      }),
    )
  })

  test('a shortened request is malformed, never an exception', () => {
    const whole = packet(Fxp.OPEN, 7, (w) => writeAttrs(w.text('/a/b').u32(1), { mode: 0o644 })).subarray(4)
    for (let length = 0; length < whole.length; length++) {
      expect(decodeRequest(whole.subarray(0, length)).kind).toBe('malformed')
    }
    fc.assert(fc.property(fc.uint8Array(), (array) => void decodeRequest(Buffer.from(array))))
  })

  test('what is not known is unsupported', () => {
    expect(decodeRequest(packet(77, 5).subarray(4))).toEqual({ kind: 'unsupported', id: 5 })
    const extended = packet(Fxp.EXTENDED, 6, (w) => w.text('x@example.org'))
    expect(decodeRequest(extended.subarray(4))).toEqual({ kind: 'unsupported', id: 6 })
  })

  test('replies survive the trip', () => {
    fc.assert(
      fc.property(u32, fc.array(fc.record({ name: bytes, longname: bytes, attrs })), (id, names) => {
        expect(decodeReply(nameReply(id, names).subarray(4))).toEqual({ type: Fxp.NAME, id, names })
      }),
    )
    expect(decodeReply(statusReply(3, 4, 'no').subarray(4))).toMatchObject({
      id: 3,
      status: 4,
      message: 'no',
    })
    const data = Buffer.concat([Buffer.alloc(DATA_HEADER), Buffer.from('abcdef')])
    expect(decodeReply(dataReply(9, data, 3).subarray(4)).data).toEqual(Buffer.from('abc'))
  })
})

describe('packets', () => {
  const bodies = fc.array(fc.uint8Array({ minLength: 1, maxLength: 200 }), { maxLength: 20 })

  test('come out whole however the stream is cut', () => {
    fc.assert(
      fc.property(bodies, fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1 }), (list, cuts) => {
        const stream = Buffer.concat(list.flatMap((body) => [lengthOf(body.length), Buffer.from(body)]))
        const reader = new PacketReader()
        const got: number[][] = []
        for (let at = 0, turn = 0; at < stream.length; turn++) {
          const cut = cuts[turn % cuts.length] ?? 1
          reader.push(stream.subarray(at, at + cut))
          at += cut
          for (let next = reader.next(); next !== 'more'; next = reader.next())
            got.push([...(next as Buffer)])
        }
        expect(got).toEqual(list.map((body) => [...body]))
      }),
    )
  })

  test('of no or of too great a length are bad', () => {
    for (const length of [0, MAX_PACKET + 1, 0xffffffff]) {
      const reader = new PacketReader()
      reader.push(lengthOf(length))
      expect(reader.next()).toBe('bad')
    }
  })

  test('hunting finds the next INIT behind anything, however cut', () => {
    const init = packet(Fxp.INIT, 3)
    fc.assert(
      fc.property(fc.uint8Array(), fc.integer({ min: 1, max: 20 }), (junk, cut) => {
        const reader = new PacketReader()
        reader.push(Buffer.from([0, 0, 1, 0, 6]))
        expect(reader.next()).toBe('more')
        reader.hunt(false)
        const stream = Buffer.concat([Buffer.from(junk), init])
        let found: unknown
        for (let at = 0; at < stream.length; at += cut) {
          reader.push(stream.subarray(at, at + cut))
          const next = reader.next()
          if (next !== 'more') found = next
        }
        expect(found).toEqual(init.subarray(4))
      }),
    )
  })
})

function lengthOf(length: number): Buffer {
  const field = Buffer.alloc(4)
  field.writeUInt32BE(length)
  return field
}
