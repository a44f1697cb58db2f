import { Duplex } from 'node:stream'
import { ByteReader } from '../../../src/mounts/codec-reader.ts'
import { type FileAttrs, readAttrs, writeAttrs } from '../../../src/mounts/codec-attrs.ts'
import { ByteWriter } from '../../../src/mounts/codec-writer.ts'
import { Fxp, HINTS } from '../../../src/mounts/protocol.ts'

/** Two streams, each giving what is written to the other; bytes are copied, as a socket would. */
export function duplexPair(): [Duplex, Duplex] {
  const ends: Duplex[] = []
  const make = (other: () => Duplex) => {
    let waiting: (() => void) | undefined
    const end = new Duplex({
      allowHalfOpen: true,
      read() {
        const go = waiting
        waiting = undefined
        go?.()
      },
      write(chunk: Buffer, _encoding, done) {
        const to = other() as Duplex & { arrive: (chunk: Buffer | null, done: () => void) => void }
        to.arrive(Buffer.from(chunk), done)
      },
      final(done) {
        const to = other() as Duplex & { arrive: (chunk: Buffer | null, done: () => void) => void }
        to.arrive(null, () => {})
        done()
      },
      destroy(error, done) {
        const to = other() as Duplex & { arrive: (chunk: Buffer | null, done: () => void) => void }
        if (!to.destroyed && !to.readableEnded) to.arrive(null, () => {})
        done(error)
      },
    })
    return Object.assign(end, {
      arrive(chunk: Buffer | null, done: () => void) {
        if (end.destroyed || end.readableEnded) return done()
        if (end.push(chunk)) return done()
        waiting = done
      },
    })
  }
  ends.push(make(() => ends[1]!))
  ends.push(make(() => ends[0]!))
  return [ends[0]!, ends[1]!]
}

/** A reply, decoded. */
export interface Reply {
  type: number
  id: number
  status?: number
  message?: string
  handle?: string
  data?: Buffer
  /** All names of a folder, in a hint. */
  all?: string[]
  names?: { name: string; longname: string; attrs: FileAttrs }[]
  attrs?: FileAttrs
  numbers?: number[]
}

/** Builds a request packet: the fields behind the id are written by `fill`. */
export function packet(type: number, id: number, fill: (writer: ByteWriter) => void = () => {}): Buffer {
  const writer = new ByteWriter(type).u32(id)
  fill(writer)
  return writer.finish()
}

/** A small SFTP client: as many requests at once as one likes. */
export class Client {
  readonly stream: Duplex
  /** Ids in the order of their replies. */
  readonly arrived: number[] = []
  version: Buffer | undefined
  /** What was told ahead so far, in order; undefined where all was to be forgotten. */
  readonly hints: (Hint | undefined)[] = []
  ended: Promise<void>
  private readonly waiting = new Map<number, (reply: Reply) => void>()
  private onVersion: (() => void) | undefined
  private buffer: Buffer = Buffer.alloc(0)
  private nextId = 1

  constructor(stream: Duplex) {
    this.stream = stream
    stream.on('data', (chunk: Buffer) => this.take(chunk))
    stream.on('error', () => {})
    this.ended = new Promise((resolve) => {
      stream.once('end', resolve)
      stream.once('close', resolve)
    })
  }

  async init(bytes = packet(Fxp.INIT, 3)): Promise<void> {
    const got = new Promise<void>((resolve) => {
      this.onVersion = resolve
    })
    this.stream.write(bytes)
    await got
  }

  /** Sends a request of any type. */
  ask(type: number, fill: (writer: ByteWriter) => void = () => {}): Promise<Reply> {
    const id = this.nextId++
    return this.send(id, packet(type, id, fill))
  }

  /** Sends a packet as it is; gives the reply with its id. */
  send(id: number, bytes: Buffer): Promise<Reply> {
    const reply = new Promise<Reply>((resolve) => this.waiting.set(id, resolve))
    this.stream.write(bytes)
    return reply
  }

  path(type: number, path: string, attrs?: FileAttrs): Promise<Reply> {
    return this.ask(type, (writer) => {
      writer.text(path)
      if (attrs) writeAttrs(writer, attrs)
    })
  }

  handle(type: number, handle: string): Promise<Reply> {
    return this.ask(type, (writer) => writer.text(handle))
  }

  setHandle(handle: string, attrs: FileAttrs): Promise<Reply> {
    return this.ask(Fxp.FSETSTAT, (writer) => writeAttrs(writer.text(handle), attrs))
  }

  two(type: number, from: string, to: string): Promise<Reply> {
    return this.ask(type, (writer) => writer.text(from).text(to))
  }

  extended(name: string, ...fields: string[]): Promise<Reply> {
    return this.ask(Fxp.EXTENDED, (writer) => {
      writer.text(name)
      for (const field of fields) writer.text(field)
    })
  }

  open(path: string, pflags: number, attrs: FileAttrs = {}): Promise<Reply> {
    return this.ask(Fxp.OPEN, (writer) => writeAttrs(writer.text(path).u32(pflags), attrs))
  }

  read(handle: string, offset: number, length: number): Promise<Reply> {
    return this.ask(Fxp.READ, (writer) => writer.text(handle).u64(offset).u32(length))
  }

  write(handle: string, offset: number, data: string | Buffer): Promise<Reply> {
    return this.ask(Fxp.WRITE, (writer) => writer.text(handle).u64(offset).text(data))
  }

  private take(chunk: Buffer): void {
    this.buffer = this.buffer.length === 0 ? chunk : Buffer.concat([this.buffer, chunk])
    while (this.buffer.length >= 4) {
      const length = this.buffer.readUInt32BE(0)
      if (this.buffer.length < 4 + length) return
      const body = this.buffer.subarray(4, 4 + length)
      this.buffer = this.buffer.subarray(4 + length)
      this.deliver(body)
    }
  }

  private deliver(body: Buffer): void {
    if (body[0] === Fxp.VERSION) {
      this.version = Buffer.from(body)
      this.onVersion?.()
      return
    }
    if (body[0] === HINTS) {
      this.hints.push(...decodeHints(body))
      return
    }
    const reply = decodeReply(body)
    this.arrived.push(reply.id)
    this.waiting.get(reply.id)?.(reply)
    this.waiting.delete(reply.id)
  }
}

/** A reply told ahead: to a request of `type`, whose other fields are in `rest`. */
export interface Hint {
  /** Of the request that it came with. */
  id: number
  path: string
  type: number
  rest: Buffer
  reply: Reply
}

function decodeHints(body: Buffer): (Hint | undefined)[] {
  const reader = new ByteReader(body.subarray(1))
  const id = reader.u32()
  if (body.length === 5) return [undefined]
  const hints: Hint[] = []
  for (let at = 5; at < body.length; ) {
    const [path, request, told] = [reader.text(), reader.blob(), reader.blob()]
    at += 12 + path.length + request.length + told.length
    const type = request[0] ?? 0
    if (type === Fxp.OPENDIR) {
      hints.push({
        id,
        path,
        type,
        rest: request.subarray(1),
        reply: { type: told[0] ?? 0, id: 0, all: strings(told.subarray(1)) },
      })
      continue
    }
    const reply = decodeReply(Buffer.concat([told.subarray(0, 1), Buffer.alloc(4), told.subarray(1)]))
    hints.push({ id, path, type, rest: request.subarray(1), reply })
  }
  return hints
}

function strings(bytes: Buffer): string[] {
  const reader = new ByteReader(bytes)
  const all: string[] = []
  for (let at = 0; at < bytes.length; at += 4 + (all.at(-1)?.length ?? 0)) all.push(reader.text())
  return all
}

/** Takes a reply without its length field. */
export function decodeReply(body: Buffer): Reply {
  const reader = new ByteReader(body)
  const type = reader.u8()
  const id = reader.u32()
  switch (type) {
    case Fxp.STATUS:
      return { type, id, status: reader.u32(), message: reader.text() }
    case Fxp.HANDLE:
      return { type, id, handle: reader.text() }
    case Fxp.DATA:
      return { type, id, data: reader.blob() }
    case Fxp.ATTRS:
      return { type, id, attrs: readAttrs(reader) }
    case Fxp.NAME: {
      const names = []
      for (let left = reader.u32(); left > 0; left--) {
        names.push({ name: reader.text(), longname: reader.text(), attrs: readAttrs(reader) })
      }
      return { type, id, names }
    }
    default: {
      if (body.length === 9) return { type, id, numbers: [reader.u32()] }
      const numbers = []
      for (let left = (body.length - 5) / 8; left > 0; left--) numbers.push(reader.u64())
      return { type, id, numbers }
    }
  }
}
