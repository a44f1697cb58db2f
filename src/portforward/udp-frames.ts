/** One datagram between a client and the guest's relay. */
export interface Datagram {
  /** The flow it belongs to. */
  flow: number
  data: Buffer
}

const headBytes = 6

/** A frame for guest/rootfs/usr/lib/tcolima/udp-relay: the flow in four bytes, the length in two, the data. Pure. */
export function encodeDatagram(flow: number, data: Buffer): Buffer {
  const head = Buffer.alloc(headBytes)
  head.writeUInt32BE(flow)
  head.writeUInt16BE(data.length, 4)
  return Buffer.concat([head, data])
}

/** The frame that ends a flow: a length that no datagram has. Pure. */
export function encodeFlowEnd(flow: number): Buffer {
  const head = Buffer.alloc(headBytes, 0xff)
  head.writeUInt32BE(flow)
  return head
}

/** Takes a stream of frames apart. */
export class DatagramReader {
  #rest: Buffer = Buffer.alloc(0)

  /** Takes what came; gives the datagrams that are whole now. */
  push(chunk: Buffer): Datagram[] {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    const found: Datagram[] = []
    for (;;) {
      if (this.#rest.length < headBytes) return found
      const end = headBytes + this.#rest.readUInt16BE(4)
      if (this.#rest.length < end) return found
      found.push({ flow: this.#rest.readUInt32BE(), data: this.#rest.subarray(headBytes, end) })
      this.#rest = this.#rest.subarray(end)
    }
  }
}
