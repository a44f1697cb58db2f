import { type ChildProcess, spawn } from 'node:child_process'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import path from 'node:path'
import { Duplex } from 'node:stream'
import { afterEach, expect, test } from 'vitest'
import { datagramRelay } from '../../../src/portforward/udp-over-ssh.ts'
import { forwardUdp } from '../../../src/portforward/udp.ts'

const script = path.resolve(import.meta.dirname, '../../../guest/rootfs/usr/lib/tcolima/udp-relay')
const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

async function udp(address = '127.0.0.1'): Promise<Socket> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
  socket.bind(0, address)
  await once(socket, 'listening')
  let open = true
  socket.once('close', () => {
    open = false
  })
  closing.push(() => open && socket.close())
  return socket
}

/** A port of this host that leads over the guest's script to a program that echoes, which is given too. */
async function forwarded(address: string) {
  const server = await udp(address)
  server.on('message', (data, from) => server.send(data, from.port, from.address))
  const children: ChildProcess[] = []
  const relay = datagramRelay(
    async () => {
      const child = spawn('perl', [script, address, String(server.address().port)], {
        stdio: ['pipe', 'pipe', 'inherit'],
      })
      children.push(child)
      return Duplex.from({ readable: child.stdout, writable: child.stdin })
    },
    () => undefined,
  )
  const free = createSocket('udp4')
  free.bind(0, '127.0.0.1')
  await once(free, 'listening')
  const hostPort = free.address().port
  free.close()
  const forward = await forwardUdp({ hostAddress: '127.0.0.1', hostPort }, (reply) => relay.flow(reply))
  closing.push(async () => {
    await forward.close()
    relay.close()
    await Promise.all(children.map(async (child) => child.exitCode ?? (await once(child, 'exit'))))
  })
  return { hostPort, children, server }
}

async function asked(client: Socket, port: number, data: Buffer): Promise<Buffer> {
  client.send(data, port, '127.0.0.1')
  const [answer] = (await once(client, 'message', { signal: AbortSignal.timeout(10_000) })) as [Buffer]
  return answer
}

test.each(['127.0.0.1', '::1'])(
  'B22: datagrams of all sizes come back to who sent them, to %s',
  async (address) => {
    const { hostPort } = await forwarded(address)
    const clients = [await udp(), await udp(), await udp()]
    for (const size of [0, 1, 1400, 8000, 60_000]) {
      await Promise.all(
        clients.map(async (client, at) => {
          const data = Buffer.alloc(size, at + 1)
          expect(data.equals(await asked(client, hostPort, data))).toBe(true)
        }),
      )
    }
  },
)

test('many at once keep their borders and their order', async () => {
  const { hostPort } = await forwarded('127.0.0.1')
  const client = await udp()
  await asked(client, hostPort, Buffer.from('first'))
  const got: string[] = []
  client.on('message', (data) => got.push(data.toString()))
  const texts = Array.from({ length: 100 }, (_, at) => `${at} ${'x'.repeat(at * 10)}`)
  for (const text of texts) client.send(text, hostPort, '127.0.0.1')
  await expect.poll(() => got.length, { timeout: 10_000 }).toBe(texts.length)
  expect(got).toEqual(texts)
})

test('nobody listens: the next datagrams find the program that has come', async () => {
  const { hostPort, server } = await forwarded('127.0.0.1')
  const { port } = server.address()
  const client = await udp()
  expect(String(await asked(client, hostPort, Buffer.from('1')))).toBe('1')
  await new Promise<void>((resolve) => {
    server.close(() => resolve())
  })
  closing.splice(
    closing.findIndex((close) => String(close).includes('socket.close')),
    1,
  )
  client.send('lost', hostPort, '127.0.0.1')
  const next = createSocket('udp4')
  next.on('message', (data, from) => next.send(data, from.port, from.address))
  next.bind(port, '127.0.0.1')
  await once(next, 'listening')
  closing.push(() => next.close())
  let answer = ''
  await expect
    .poll(
      async () => {
        answer = String(await asked(client, hostPort, Buffer.from('2')).catch(() => ''))
        return answer
      },
      { timeout: 10_000 },
    )
    .toMatch(/^(2|lost)$/)
})
