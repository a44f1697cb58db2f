/** Builds one packet from the basic types of SSH (RFC 4251, section 5); strings are byte strings. */
export class ByteWriter {
  private bytes: Buffer
  private at = 4

  /** Takes the packet type, and a guess of the packet's size that saves copies. */
  constructor(type: number, sizeHint = 128) {
    this.bytes = Buffer.allocUnsafe(sizeHint)
    this.u8(type)
  }

  /** Bytes so far, with the length field. */
  get length(): number {
    return this.at
  }

  u8(value: number): this {
    this.room(1)
    this.at = this.bytes.writeUInt8(value, this.at)
    return this
  }

  u32(value: number): this {
    this.room(4)
    this.at = this.bytes.writeUInt32BE(value >>> 0, this.at)
    return this
  }

  /** A number from 0 to 2^53 as 64 bits. */
  u64(value: number): this {
    return this.u32(Math.floor(value / 0x100000000)).u32(value % 0x100000000)
  }

  /** A byte string, or bytes, behind its length. */
  text(value: string | Buffer): this {
    this.u32(value.length)
    this.room(value.length)
    if (typeof value === 'string') this.bytes.write(value, this.at, 'latin1')
    else value.copy(this.bytes, this.at)
    this.at += value.length
    return this
  }

  /** Puts a number into a place written before, counted from the packet's start. */
  patchU32(position: number, value: number): void {
    this.bytes.writeUInt32BE(value, position)
  }

  /** The packet with its length field filled in. */
  finish(): Buffer {
    this.bytes.writeUInt32BE(this.at - 4, 0)
    return this.bytes.subarray(0, this.at)
  }

  private room(count: number): void {
    if (this.at + count <= this.bytes.length) return
    const larger = Buffer.allocUnsafe(Math.max(this.bytes.length * 2, this.at + count))
    this.bytes.copy(larger, 0, 0, this.at)
    this.bytes = larger
  }
}
