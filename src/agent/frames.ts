/** Kinds of frames on an exec connection; the values are on the wire. */
export const frameKind = {
  /** Client to agent: bytes for the command's standard input. */
  input: 1,
  /** Client to agent: end of standard input. */
  inputEnd: 2,
  /** Client to agent: JSON `{rows, columns}`. */
  resize: 3,
  /** Client to agent: the name of a signal, `INT`. */
  signal: 4,
  /** Agent to client: bytes of standard output. */
  output: 5,
  /** Agent to client: bytes of standard error. */
  errors: 6,
  /** Agent to client: JSON `{code}` or `{signal}`; the last frame. */
  exit: 7,
} as const

export interface Frame {
  kind: number
  body: Buffer
}

const headerBytes = 5
/** No frame is longer: senders split what is. */
export const longestFrame = 1 << 20

/** A frame as bytes: kind (1), length (4, big-endian), body. Longer bodies must be split by the caller. */
export function encodeFrame(kind: number, body: Uint8Array | string = ''): Buffer {
  const content = typeof body === 'string' ? Buffer.from(body) : body
  const frame = Buffer.allocUnsafe(headerBytes + content.length)
  frame.writeUInt8(kind, 0)
  frame.writeUInt32BE(content.length, 1)
  frame.set(content, headerBytes)
  return frame
}

/** Cuts a byte stream into frames. Throws for a frame that is too long: the two ends are not of one version. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0)

  push(chunk: Buffer): Frame[] {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    const frames: Frame[] = []
    while (this.#rest.length >= headerBytes) {
      const length = this.#rest.readUInt32BE(1)
      if (length > longestFrame) throw new Error(`a frame of ${length} bytes`)
      if (this.#rest.length < headerBytes + length) break
      frames.push({
        kind: this.#rest.readUInt8(0),
        body: this.#rest.subarray(headerBytes, headerBytes + length),
      })
      this.#rest = this.#rest.subarray(headerBytes + length)
    }
    return frames
  }
}
