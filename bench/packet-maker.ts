import { MAX_PACKET } from '../src/mounts/protocol.ts'
import { handleAims, packetOf, pathAims } from '../test/unit/mounts/attack/requests.ts'

const paths = [
  '/file',
  '/dir',
  '/dir/file',
  '/new',
  '/',
  '..',
  '/../outside/secret',
  '/to-relative/secret',
  '/to-relative',
]
const handles = ['', '12345678', '\0\0\0\0\0\0\0\0']

/** Makes packets, mostly broken ones: the same sequence for the same seed. */
export class PacketMaker {
  private state: number
  private readonly whole: Buffer[]

  constructor(seed: number) {
    this.state = seed
    this.whole = [
      ...pathAims.flatMap((aim) => paths.map((target) => packetOf(aim, 7, target))),
      ...handleAims.flatMap((aim) => handles.map((target) => packetOf(aim, 7, target))),
    ]
  }

  /** A whole number below `limit`, by mulberry32. */
  below(limit: number): number {
    this.state = (this.state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.state ^ (this.state >>> 15), this.state | 1)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit
  }

  /** The next packet with its length field. Its length is right in all but one of a thousand, so that streams go on. */
  next(): Buffer {
    const model = this.whole[this.below(this.whole.length)] ?? Buffer.alloc(5)
    const way = this.below(1000)
    if (way < 300) return model
    if (way < 301)
      return this.withLength(model, [0, MAX_PACKET + 1, 0xffffffff, this.below(300)][this.below(4)] ?? 0)
    if (way < 320) return this.random()
    return this.mutated(model, way < 330)
  }

  private withLength(model: Buffer, length: number): Buffer {
    const bytes = Buffer.from(model)
    bytes.writeUInt32BE(length, 0)
    return bytes
  }

  private random(): Buffer {
    const bytes = Buffer.alloc(9 + this.below(120))
    for (let at = 4; at < bytes.length; at++) bytes[at] = this.below(256)
    return this.withLength(bytes, bytes.length - 4)
  }

  /** Changes up to four bytes behind the type, or cuts the end off: a decoder that reads strings by length trips there. */
  private mutated(model: Buffer, cut: boolean): Buffer {
    if (cut) {
      const length = 1 + this.below(model.length - 4)
      return this.withLength(model.subarray(0, 4 + length), length)
    }
    const bytes = Buffer.from(model)
    // Lengths of strings are seldom hit on purpose: each hit ends a session.
    for (let left = 1 + this.below(4); left > 0; left--) {
      const at = this.below(20) === 0 ? 4 + this.below(bytes.length - 4) : bytes.length - 1 - this.below(8)
      bytes[Math.max(at, 4)] = [0, 0xff, 0x2e, 0x2f, this.below(256)][this.below(5)] ?? 0
    }
    return bytes
  }
}
