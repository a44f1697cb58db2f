import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { afterEach, expect, test } from 'vitest'
import { DatagramReader, encodeDatagram, encodeFlowEnd } from '../../../src/portforward/udp-frames.ts'
import { datagramRelay, sharedRelays } from '../../../src/portforward/udp-over-ssh.ts'
import { freePort } from '../../../src/portforward/free-port.ts'
import { forwardUdp, type UdpFlow } from '../../../src/portforward/udp.ts'

const open: (() => void)[] = []
afterEach(() => {
  for (const close of open.splice(0)) close()
})

function client(): Socket {
  const socket = createSocket('udp4')
  open.push(() => socket.close())
  return socket
}

/** Flows that answer each datagram with their own number before it. */
async function echo(limits?: { flows: number; idleMs: number }) {
  const hostPort = await freePort('udp')
  const made: { closed: boolean }[] = []
  const forward = await forwardUdp(
    { hostAddress: '127.0.0.1', hostPort },
    (reply): UdpFlow => {
      const record = { closed: false }
      const number = made.push(record)
      return {
        send: (data) => reply(Buffer.from(`${number} ${data.toString()}`)),
        close: () => {
          record.closed = true
        },
      }
    },
    limits,
  )
  const ask = async (socket: Socket, text: string) => {
    socket.send(text, hostPort, '127.0.0.1')
    return String((await once(socket, 'message'))[0])
  }
  return { forward, made, ask, hostPort }
}

test('each client has a flow of its own and gets its own answers', async () => {
  const { forward, made, ask } = await echo()
  const [a, b] = [client(), client()]
  expect(await ask(a, 'x')).toBe('1 x')
  expect(await ask(b, 'y')).toBe('2 y')
  expect(await ask(a, 'z')).toBe('1 z')
  await forward.close()
  expect(made).toEqual([{ closed: true }, { closed: true }])
})

test('of too many clients the one silent longest is forgotten', async () => {
  const { forward, made, ask } = await echo({ flows: 2, idleMs: 60_000 })
  const [a, b, c] = [client(), client(), client()]
  await ask(a, 'x')
  await ask(b, 'x')
  await ask(a, 'x')
  expect(await ask(c, 'x')).toBe('3 x')
  expect(made.map(({ closed }) => closed)).toEqual([false, true, false])
  expect(await ask(b, 'x')).toBe('4 x')
  await forward.close()
})

test('a silent client is forgotten', async () => {
  const { forward, made, ask } = await echo({ flows: 10, idleMs: 100 })
  const a = client()
  await ask(a, 'x')
  await expect.poll(() => made[0]?.closed, { timeout: 5000 }).toBe(true)
  expect(await ask(a, 'x')).toBe('2 x')
  await forward.close()
})

test('a port that is taken is told', async () => {
  const { forward, hostPort } = await echo()
  await expect(
    forwardUdp({ hostAddress: '127.0.0.1', hostPort }, () => ({
      send: () => undefined,
      close: () => undefined,
    })),
  ).rejects.toMatchObject({ message: `port ${hostPort} of the host is taken` })
  await forward.close()
})

test('frames survive any cut, and none is like an end', () => {
  const datagrams = [
    { flow: 1, data: Buffer.from('one') },
    { flow: 0xffffffff, data: Buffer.alloc(0) },
    { flow: 2, data: Buffer.alloc(65_507, 7) },
  ]
  const bytes = Buffer.concat(datagrams.map(({ flow, data }) => encodeDatagram(flow, data)))
  for (const size of [1, 5, 6, 7, 1000, bytes.length]) {
    const reader = new DatagramReader()
    const found = []
    for (let at = 0; at < bytes.length; at += size) found.push(...reader.push(bytes.subarray(at, at + size)))
    expect(found).toEqual(datagrams)
  }
  expect(encodeFlowEnd(3).toString('hex')).toBe('00000003ffff')
})

test('the relay starts with the first datagram, and again when it ended', async () => {
  const streams: PassThrough[] = []
  const relay = datagramRelay(
    async () => {
      // What goes in comes back.
      const stream = new PassThrough()
      streams.push(stream)
      return stream
    },
    () => undefined,
  )
  const got: string[] = []
  const a = relay.flow((data) => got.push(`a ${data.toString()}`))
  const b = relay.flow((data) => got.push(`b ${data.toString()}`))
  expect(streams).toHaveLength(0)
  a.send(Buffer.from('1'))
  b.send(Buffer.from('2'))
  await expect.poll(() => got).toEqual(['a 1', 'b 2'])
  streams[0]?.destroy()
  await once(streams[0] as PassThrough, 'close')
  a.send(Buffer.from('3'))
  await expect.poll(() => got).toEqual(['a 1', 'b 2', 'a 3'])
  expect(streams).toHaveLength(2)
  relay.close()
  expect(streams[1]?.destroyed).toBe(true)
})

test('a port of the guest has one relay, which ends with its last user', () => {
  const events: string[] = []
  const relays = sharedRelays((host, port) => {
    events.push(`+ ${host} ${port}`)
    return {
      flow: () => ({ send: () => undefined, close: () => undefined }),
      close: () => events.push(`- ${host} ${port}`),
    }
  })
  const [a, b] = [relays('::1', 1), relays('::1', 1)]
  relays('::1', 2)
  a.close()
  expect(events).toEqual(['+ ::1 1', '+ ::1 2'])
  b.close()
  relays('::1', 1)
  expect(events).toEqual(['+ ::1 1', '+ ::1 2', '- ::1 1', '+ ::1 1'])
})
