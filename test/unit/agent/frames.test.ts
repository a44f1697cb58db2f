import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeFrame, type Frame, FrameReader, frameKind, longestFrame } from '../../../src/agent/frames.ts'

const frame = fc.record({
  kind: fc.constantFrom(...Object.values(frameKind)),
  body: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
})

/** Pushes a stream in pieces; the sizes are used in turn. */
function readInPieces(stream: Buffer, sizes: number[]): Frame[] {
  const reader = new FrameReader()
  const frames: Frame[] = []
  for (let at = 0, turn = 0; at < stream.length; turn++) {
    const size = sizes[turn % sizes.length] ?? 1
    frames.push(...reader.push(stream.subarray(at, at + size)))
    at += size
  }
  return frames
}

test('any split of the stream gives the same frames', () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 })
  fc.assert(
    fc.property(fc.array(frame), sizes, (frames, sizes) => {
      const stream = Buffer.concat(frames.map(({ kind, body }) => encodeFrame(kind, body)))
      const plain = (list: Frame[]) => list.map(({ kind, body }) => [kind, body.toString('hex')])
      expect(plain(readInPieces(stream, sizes))).toEqual(plain(frames))
      expect(plain(new FrameReader().push(stream))).toEqual(plain(frames))
    }),
  )
})

test('one byte at a time: a frame comes with its last byte', () => {
  const stream = encodeFrame(frameKind.output, 'héllo')
  const reader = new FrameReader()
  for (const byte of stream.subarray(0, -1)) expect(reader.push(Buffer.from([byte]))).toEqual([])
  const [got] = reader.push(stream.subarray(-1))
  expect(got).toMatchObject({ kind: frameKind.output })
  expect(got?.body.toString()).toBe('héllo')
})

describe('bytes on the wire', () => {
  test.each<[string, Buffer, string]>([
    ['an empty one', encodeFrame(frameKind.inputEnd), '0200000000'],
    ['text', encodeFrame(frameKind.signal, 'INT'), '0400000003494e54'],
    ['text of several bytes a character', encodeFrame(frameKind.input, 'é'), '0100000002c3a9'],
    ['bytes', encodeFrame(frameKind.errors, new Uint8Array([0, 255])), '060000000200ff'],
  ])('%s', (_, bytes, hex) => expect(bytes.toString('hex')).toBe(hex))
})

describe('length', () => {
  test('the longest frame passes', () => {
    const body = Buffer.alloc(longestFrame, 7)
    const [got] = new FrameReader().push(encodeFrame(frameKind.output, body))
    expect(got?.body.equals(body)).toBe(true)
  })
  test('a longer one is refused at its header', () => {
    const header = Buffer.from([frameKind.output, 0, 0x10, 0, 1])
    expect(() => new FrameReader().push(header)).toThrow(`a frame of ${longestFrame + 1} bytes`)
    expect(() => new FrameReader().push(Buffer.from('HTTP/1.1 400'))).toThrow(/a frame of/)
  })
})
