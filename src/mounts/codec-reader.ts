/** Thrown inside the codec when a packet ends too early; `decodeRequest` turns it into data. */
export class TruncatedPacket extends Error {
  override name = 'TruncatedPacket'
}

/**
 * Reads the basic types of SSH (RFC 4251, section 5) from one packet. Every read past the end throws
 * `TruncatedPacket`. Strings come back as byte strings (one character a byte, "latin1"): names on a disk are bytes,
 * and need not be UTF-8.
 */
export class ByteReader {
  private at = 0
  private readonly bytes: Buffer

  constructor(bytes: Buffer) {
    this.bytes = bytes
  }

  u8(): number {
    return this.bytes.readUInt8(this.advance(1))
  }

  u32(): number {
    return this.bytes.readUInt32BE(this.advance(4))
  }

  /** A 64 bit number as a JavaScript number: exact up to 2^53, the user checks `Number.isSafeInteger`. */
  u64(): number {
    const high = this.u32()
    return high * 0x100000000 + this.u32()
  }

  /** So many bytes as a view of the packet. */
  raw(length: number): Buffer {
    const start = this.advance(length)
    return this.bytes.subarray(start, start + length)
  }

  /** A length-prefixed string as a view of the packet, without a copy. */
  blob(): Buffer {
    return this.raw(this.u32())
  }

  /** A length-prefixed string as a byte string. */
  text(): string {
    return this.blob().toString('latin1')
  }

  private advance(count: number): number {
    const start = this.at
    if (start + count > this.bytes.length) throw new TruncatedPacket('the packet is too short')
    this.at = start + count
    return start
  }
}
