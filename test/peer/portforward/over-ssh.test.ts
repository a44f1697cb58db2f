import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { sshForwarder } from '../../../src/portforward/over-ssh.ts'
import type { PlannedForward } from '../../../src/portforward/plan.ts'
import { SshConnection } from '../../../src/ssh/connection.ts'
import { SshLink } from '../../../src/ssh/link.ts'
import { type Sshd, startSshd } from '../mounts/sshd.ts'

// Half a minute on a busy machine; ten thousand connections take a few seconds on an idle one.
const limitMs = 120_000

let folder: string
let sshd: Sshd
let link: SshLink
const closing: (() => unknown)[] = []

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'tcolima-peer-'))
  // Keys are renewed all the time: transfers must not notice (B24).
  sshd = await startSshd(folder, ['RekeyLimit 4M'])
  link = new SshLink((signal) => SshConnection.connect(sshd.target, signal))
})
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})
afterAll(async () => {
  link.close()
  await sshd.end()
  rmSync(folder, { recursive: true, force: true })
})

/** A server in the place of the guest's, and the port of the host that leads to it. */
async function forwarded(serve: (socket: Socket) => void): Promise<{ port: number; server: Server }> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => socket.destroy())
    serve(socket)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  closing.push(() => server.close())
  return { port: await forwardTo((server.address() as AddressInfo).port), server }
}

async function forwardTo(guestPort: number): Promise<number> {
  const free = createServer().listen(0, '127.0.0.1')
  await once(free, 'listening')
  const hostPort = (free.address() as AddressInfo).port
  free.close()
  await once(free, 'close')
  const forwarder = sshForwarder(
    {
      openTcp: async (host, port) => await (await link.get()).openTcp(host, port),
      openUnix: async (socket) => await (await link.get()).openUnix(socket),
      relayUdp: () => {
        throw new Error('no datagrams here')
      },
    },
    { platform: 'linux', uid: process.getuid?.() ?? 0 },
  )
  const forward: PlannedForward = {
    proto: 'tcp',
    hostAddress: '127.0.0.1',
    hostPort,
    via: 'ssh',
    guestAddress: '127.0.0.1',
    guestPort,
  }
  closing.push(await forwarder.open(forward))
  return hostPort
}

/** Sends `data`, closes the sending side, gives all that comes back. */
async function exchange(port: number, data: Buffer | string): Promise<Buffer> {
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true })
  const chunks: Buffer[] = []
  socket.on('data', (chunk) => chunks.push(chunk))
  socket.end(data)
  await once(socket, 'end')
  return Buffer.concat(chunks)
}

/** Answers with how much came, once all has come. */
function count(socket: Socket): void {
  let size = 0
  socket.on('data', (chunk) => {
    size += chunk.length
  })
  socket.on('end', () => socket.end(`OK ${size}`))
}

describe('streams', () => {
  test.each([0, 5, 1_000_000, 50_000_000])(
    'B23: the answer to %d bytes comes after their end',
    async (size) => {
      const { port } = await forwarded(count)
      expect((await exchange(port, Buffer.alloc(size, 120))).toString()).toBe(`OK ${size}`)
    },
    limitMs,
  )

  test(
    'B24: keys that are renewed on the way stop nothing, in either direction',
    async () => {
      const { port } = await forwarded((socket) => socket.pipe(socket))
      const data = Buffer.alloc(64_000_000)
      for (let at = 0; at < data.length; at += 4) data.writeUInt32LE(at, at)
      expect(data.equals(await exchange(port, data))).toBe(true)
    },
    limitMs,
  )

  test(
    'what was sent before a close arrives, however slowly it is read',
    async () => {
      const size = 3_000_000
      const { port } = await forwarded((socket) => socket.end(Buffer.alloc(size, 1)))
      const socket = connect({ host: '127.0.0.1', port })
      await once(socket, 'connect')
      let got = 0
      for await (const chunk of socket) {
        got += (chunk as Buffer).length
        await new Promise((resolve) => setImmediate(resolve))
      }
      expect(got).toBe(size)
    },
    limitMs,
  )

  test(
    'who does not read stops the sender',
    async () => {
      let sent = 0
      const { port } = await forwarded((socket) => {
        const chunk = Buffer.alloc(65_536)
        const more = () => {
          while (sent < 200_000_000 && socket.write(chunk)) sent += chunk.length
        }
        socket.on('drain', more)
        more()
      })
      const socket = connect({ host: '127.0.0.1', port })
      socket.pause()
      await once(socket, 'connect')
      let before = -1
      await expect
        .poll(
          () => {
            const still = before === sent && sent > 0
            before = sent
            return still
          },
          { timeout: 20_000, interval: 500 },
        )
        .toBe(true)
      // The windows and buffers on the way.
      expect(sent).toBeLessThan(40_000_000)
      socket.destroy()
    },
    limitMs,
  )
})

describe('ends that are no good ones', () => {
  test('nobody listens in the guest: the client is reset', async () => {
    const { port, server } = await forwarded(() => undefined)
    server.close()
    await once(server, 'close')
    const socket = connect({ host: '127.0.0.1', port })
    expect(await once(socket, 'error')).toMatchObject([{ code: 'ECONNRESET' }])
  })

  test("the client's reset ends the guest's connection", async () => {
    let ended = false
    const { port } = await forwarded((socket) => {
      socket.resume()
      socket.on('close', () => {
        ended = true
      })
      socket.on('end', () => socket.end())
    })
    const socket = connect({ host: '127.0.0.1', port })
    await once(socket, 'connect')
    socket.write('x')
    socket.resetAndDestroy()
    await expect.poll(() => ended, { timeout: 10_000 }).toBe(true)
  })

  test('the SSH connection is lost: clients are reset, and the next one gets through', async () => {
    const { port } = await forwarded((socket) => socket.pipe(socket))
    const socket = connect({ host: '127.0.0.1', port })
    socket.write('x')
    await once(socket, 'data')
    const reset = once(socket, 'error')
    await sshd.killSessions()
    expect(await reset).toMatchObject([{ code: 'ECONNRESET' }])
    expect((await exchange(port, 'again')).toString()).toBe('again')
  })
})

describe('many', () => {
  test(
    '10,000 short connections',
    async () => {
      const { port } = await forwarded(count)
      const text = 'GET / HTTP/1.0'
      let left = 10_000
      const client = async () => {
        while (left-- > 0) expect((await exchange(port, text)).toString()).toBe(`OK ${text.length}`)
      }
      await Promise.all(Array.from({ length: 20 }, client))
    },
    limitMs,
  )

  test(
    '1,000 at the same time',
    async () => {
      const { port } = await forwarded((socket) => socket.pipe(socket))
      const sockets = Array.from({ length: 1000 }, () =>
        connect({ host: '127.0.0.1', port, allowHalfOpen: true }),
      )
      await Promise.all(
        sockets.map(async (socket, at) => {
          socket.write(`${at}`)
          expect(String((await once(socket, 'data'))[0])).toBe(`${at}`)
        }),
      )
      // All are open now, and each still has its own.
      await Promise.all(
        sockets.map(async (socket, at) => {
          socket.end(`end ${at}`)
          expect(String((await once(socket, 'data'))[0])).toBe(`end ${at}`)
          await once(socket, 'end')
        }),
      )
    },
    limitMs,
  )
})
