import { once } from 'node:events'
import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net'
import { Duplex, PassThrough, type Readable } from 'node:stream'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Between, joinStreams } from '../../../src/ssh/join.ts'
import { ReusingSocket } from '../../../src/ssh/reusing-socket.ts'

let server: Server
const opened: Socket[] = []
beforeEach(async () => {
  server = createServer({ allowHalfOpen: true })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterEach(() => {
  for (const socket of opened.splice(0)) socket.destroy()
  server.close()
})

/** Two connected sockets: the outer end, as a program holds it, and the inner one, to be joined. */
async function pair(): Promise<[outer: Socket, inner: Socket]> {
  const outer = connect({
    port: (server.address() as AddressInfo).port,
    host: '127.0.0.1',
    allowHalfOpen: true,
  })
  const [[inner]] = (await Promise.all([once(server, 'connection'), once(outer, 'connect')])) as [
    [Socket],
    unknown,
  ]
  outer.on('error', () => undefined)
  opened.push(outer, inner)
  return [outer, inner]
}

/** The same, with an inner end that connects, as to QEMU. */
async function reusingPair(): Promise<[outer: Socket, inner: Socket]> {
  const inner = new ReusingSocket()
  inner.connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' })
  const [[outer]] = (await Promise.all([once(server, 'connection'), once(inner, 'connect')])) as [
    [Socket],
    unknown,
  ]
  outer.on('error', () => undefined)
  opened.push(outer, inner)
  return [outer, inner]
}

/** Two programs whose connections are joined. */
async function joined({ between, other }: Way): Promise<[Socket, Socket]> {
  const [a, innerA] = await pair()
  const [b, innerB] = await other()
  joinStreams(innerA, innerB, between())
  return [a, b]
}

/** Everything until the end of a stream's readable side, whose other side stays as it is. */
async function received(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = []
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  await once(stream, 'end')
  return Buffer.concat(chunks)
}

const large = Buffer.alloc(3_000_000, 'tcolima ')

interface Way {
  between: () => Between
  other: typeof pair
}
const through = () => ({ forth: new PassThrough(), back: new PassThrough() })
const ways: [string, Way][] = [
  ['sockets', { between: () => ({}), other: pair }],
  ['sockets, through streams', { between: through, other: pair }],
  ['sockets, one that reuses its memory', { between: () => ({}), other: reusingPair }],
]

describe.each(ways)('%s', (_name, way) => {
  test('bytes pass in both directions', async () => {
    const [a, b] = await joined(way)
    a.write('ping')
    expect(String((await once(b, 'data'))[0])).toBe('ping')
    b.write('pong')
    expect(String((await once(a, 'data'))[0])).toBe('pong')
  })

  test.each([0, 1])('half close from side %d: the answer still comes', async (first) => {
    const ends = await joined(way)
    const asks = ends[first]!
    const answers = ends[1 - first]!
    asks.end('question')
    expect((await received(answers)).toString()).toBe('question')
    answers.end(large)
    expect((await received(asks)).equals(large)).toBe(true)
  })

  test('what was written before a close arrives, all of it', async () => {
    const [a, b] = await joined(way)
    b.end()
    a.end(large)
    expect((await received(b)).equals(large)).toBe(true)
  })

  // A piece at a time first, until the system's own memory is full and a piece has to wait; then larger and larger ones.
  test.each([0, 1])('what side %d writes comes whole to a reader that begins late', async (first) => {
    const ends = await joined(way)
    // No two places alike, so that memory given twice would show.
    const numbers = Uint32Array.from({ length: 3_000_000 }, (_, index) => index * 2_654_435_761)
    const sent = Buffer.from(numbers.buffer)
    for (let at = 0, size = 2000; at < sent.length; at += size) {
      if (at > 8_000_000) size = (size * 7) % 300_007
      ends[first]!.write(sent.subarray(at, at + size))
      await new Promise((resolve) => setImmediate(resolve))
    }
    ends[first]!.end()
    expect((await received(ends[1 - first]!)).equals(sent)).toBe(true)
  })

  test.each([0, 1])('a reset of side %d resets the other', async (first) => {
    const ends = await joined(way)
    const other = ends[1 - first]!
    other.resume()
    ends[first]!.write('x')
    await once(other, 'data')
    ends[first]!.resetAndDestroy()
    const [error] = (await once(other, 'error')) as [NodeJS.ErrnoException]
    expect(error.code).toBe('ECONNRESET')
  })
})

/** A stream like a channel of SSH: what it was given, and its two directions in the test's hands. */
class Channel extends Duplex {
  readonly got: string[] = []
  override _read(): void {}
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.got.push(chunk.toString())
    done()
  }
  override _final(done: () => void): void {
    this.got.push('(end)')
    done()
  }
}

describe.each([
  ['streams', () => ({})],
  ['streams, through streams', through],
] as [string, () => Between][])('%s', (_name, between) => {
  test('an end passes on as an end, and the other direction goes on', async () => {
    const [a, b] = [new Channel(), new Channel()]
    joinStreams(a, b, between())
    a.push('one')
    a.push(null)
    await once(b, 'finish')
    expect(b.got).toEqual(['one', '(end)'])
    expect([a.destroyed, b.destroyed]).toEqual([false, false])
    b.push('two')
    b.push(null)
    await Promise.all([once(a, 'close'), once(b, 'close')])
    expect(a.got).toEqual(['two', '(end)'])
  })

  test('an error of one destroys the other, which has no error of its own', async () => {
    const [a, b] = [new Channel(), new Channel()]
    joinStreams(a, b, between())
    a.destroy(new Error('lost'))
    await once(b, 'close')
    expect(b.errored).toBeNull()
    expect(b.got).toEqual([])
  })

  test('a close without an end takes the other along', async () => {
    const [a, b] = [new Channel(), new Channel()]
    joinStreams(a, b, between())
    b.destroy()
    await once(a, 'close')
    expect(a.got).toEqual([])
  })

  test('what was on its way when one side closed after its end still arrives', async () => {
    const [a, b] = [new Channel(), new Channel()]
    let release = () => {}
    b._write = (chunk: Buffer, _encoding, done) => {
      release = () => {
        b.got.push(chunk.toString())
        done()
      }
    }
    joinStreams(a, b, between())
    a.push('late')
    a.push(null)
    await once(a, 'end')
    a.destroy()
    await once(a, 'close')
    expect(b.destroyed).toBe(false)
    release()
    await once(b, 'close')
    expect(b.got).toEqual(['late', '(end)'])
  })
})
