import { once } from 'node:events'
import { Duplex } from 'node:stream'
import { expect, test } from 'vitest'
import { ChannelStream } from '../../../src/ssh/channel-stream.ts'

/** A channel as ssh2 has them: its `destroy` only asks the other side, and no event of its own follows. */
class Channel extends Duplex {
  written: string[] = []
  room = true
  destroyCalls = 0

  constructor() {
    super({ emitClose: false, highWaterMark: 1000 })
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.written.push(chunk.toString())
    if (this.room) done()
  }

  override destroy(): this {
    this.destroyCalls++
    return this
  }
}

test('bytes go both ways, and small ones together', async () => {
  const channel = new Channel()
  const stream = new ChannelStream(channel)
  channel.push('from the guest')
  expect(String((await once(stream, 'data'))[0])).toBe('from the guest')
  stream.cork()
  stream.write('a')
  stream.write('b')
  stream.uncork()
  stream.end('c')
  await once(stream, 'finish')
  expect(channel.written).toEqual(['ab', 'c'])
})

test('an end from the guest leaves the other direction', async () => {
  const channel = new Channel()
  const stream = new ChannelStream(channel)
  channel.push('last')
  channel.push(null)
  stream.resume()
  await once(stream, 'end')
  stream.end('answer')
  await once(stream, 'finish')
  expect(channel.written).toEqual(['answer'])
})

test('who does not read keeps the channel from more than it holds', async () => {
  const channel = new Channel()
  const stream = new ChannelStream(channel)
  channel.push(Buffer.alloc(200_000))
  await new Promise((resolve) => setImmediate(resolve))
  channel.push(Buffer.alloc(500))
  await new Promise((resolve) => setImmediate(resolve))
  expect([stream.readableLength, channel.readableLength]).toEqual([200_000, 500])
  stream.resume()
  await new Promise((resolve) => setImmediate(resolve))
  expect([stream.readableLength, channel.readableLength]).toEqual([0, 0])
})

test('destroyed while it waits for room, it says so', async () => {
  const channel = new Channel()
  channel.room = false
  const stream = new ChannelStream(channel)
  stream.write('stuck')
  stream.destroy()
  await once(stream, 'close')
  expect(channel.destroyCalls).toBe(1)
})

test.each([
  [true, 200_000],
  [false, 0],
])('closed after its end, what nobody has read yet stays: %s', async (keepUnread, left) => {
  const channel = new Channel()
  const stream = new ChannelStream(channel, { keepUnread })
  channel.push(Buffer.alloc(200_000))
  await new Promise((resolve) => setImmediate(resolve))
  channel.push(null)
  channel.resume()
  await once(channel, 'end')
  channel.emit('close')
  await new Promise((resolve) => setImmediate(resolve))
  let got = 0
  stream.on('data', (chunk: Buffer) => {
    got += chunk.length
  })
  if (!stream.closed) await once(stream, 'close')
  expect(got).toBe(left)
})
