import { Fxp, MAX_PACKET, NONCE_BYTES, RESUME, VERSION } from './protocol.ts'

/** What `next` found: a packet without its length field, too few bytes yet, or a length no packet has. */
export type NextPacket = Buffer | 'more' | 'bad'

// A whole SSH_FXP_INIT without extensions, but for the last byte, the version: length 5, type, version.
const PLAIN_INIT = Buffer.from([0, 0, 0, 5, Fxp.INIT, 0, 0, 0])
// One of the relay's, up to its nonce.
const RELAY_INIT = relayInit()

/**
 * Cuts a byte stream into packets: a 32 bit length, then that many bytes (draft section 3). A packet inside one chunk
 * is a view of the chunk; only one that spans chunks is copied, once. Holds at most one packet beside the last chunk.
 */
export class PacketReader {
  private rest: Buffer = Buffer.alloc(0)
  /** A packet that began in an earlier chunk: its place, and how much of it is there. */
  private partial: { bytes: Buffer; filled: number } | undefined
  private hunting = false
  private relayOnly = false

  /** Takes the next chunk; to be called only after `next` said `more`. */
  push(chunk: Buffer): void {
    this.rest = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk])
  }

  /** Gives the next packet. After `bad` the stream has no more meaning. */
  next(): NextPacket {
    if (this.hunting && !this.findInit()) return 'more'
    if (this.partial) return this.complete(this.partial)
    if (this.rest.length < 4) return 'more'
    const length = this.rest.readUInt32BE(0)
    if (length === 0 || length > MAX_PACKET) return 'bad'
    if (this.rest.length >= 4 + length) {
      const packet = this.rest.subarray(4, 4 + length)
      this.rest = this.rest.subarray(4 + length)
      return packet
    }
    const partial = { bytes: Buffer.allocUnsafe(length), filled: 0 }
    this.rest = this.rest.subarray(4)
    this.partial = partial
    return this.complete(partial)
  }

  /**
   * Forgets everything, and passes over all bytes until a SSH_FXP_INIT: what a client that died left half sent must
   * not be taken for the start of the next one's. `relayOnly`: until the relay's, since the few bytes of a plain one
   * may be in a file's data.
   */
  hunt(relayOnly: boolean): void {
    this.relayOnly = relayOnly
    this.rest = Buffer.alloc(0)
    this.partial = undefined
    this.hunting = true
  }

  private complete(partial: { bytes: Buffer; filled: number }): NextPacket {
    const count = this.rest.copy(partial.bytes, partial.filled)
    this.rest = this.rest.subarray(count)
    partial.filled += count
    if (partial.filled < partial.bytes.length) return 'more'
    this.partial = undefined
    return partial.bytes
  }

  private findInit(): boolean {
    const starts = this.relayOnly ? [RELAY_INIT] : [PLAIN_INIT, RELAY_INIT]
    const places = starts.map((start) => this.rest.indexOf(start)).filter((at) => at >= 0)
    const found = places.length > 0
    // Its start may be at the very end of this chunk.
    const at = found ? Math.min(...places) : Math.max(0, this.rest.length - RELAY_INIT.length + 1)
    this.rest = this.rest.subarray(at)
    this.hunting = !found
    return found
  }
}

function relayInit(): Buffer {
  const data = NONCE_BYTES + 8
  const start = Buffer.alloc(13)
  start.writeUInt32BE(start.length - 4 + RESUME.length + 4 + data, 0)
  start.writeUInt8(Fxp.INIT, 4)
  start.writeUInt32BE(VERSION, 5)
  start.writeUInt32BE(RESUME.length, 9)
  return Buffer.concat([start, Buffer.from(RESUME), Buffer.from([0, 0, 0, data])])
}
