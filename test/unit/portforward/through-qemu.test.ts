import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { freePort } from '../../../src/portforward/free-port.ts'
import type { PlannedForward } from '../../../src/portforward/plan.ts'
import { qemuForwarder } from '../../../src/portforward/through-qemu.ts'

const owner = { platform: 'linux' as const, uid: process.getuid?.() ?? 0 }
const servers: Server[] = []
afterEach(() => {
  for (const server of servers.splice(0)) server.close()
})

/** A monitor whose rules lead to a server here that says which port of the "guest" it is. */
function monitor() {
  const lines: string[] = []
  return {
    lines,
    ask: async (line: string) => {
      lines.push(line)
      const [, port, guestPort] = /^hostfwd_add net0 tcp:127\.0\.0\.1:(\d+)-:(\d+)$/.exec(line) ?? []
      if (port === undefined) return ''
      const server = createServer((socket) => socket.end(`guest ${guestPort}`)).listen(
        Number(port),
        '127.0.0.1',
      )
      servers.push(server)
      await once(server, 'listening')
      return ''
    },
  }
}

function planned(
  proto: 'tcp' | 'udp',
  hostAddress: string,
  hostPort: number,
  guestPort: number,
): PlannedForward {
  return { proto, hostAddress, hostPort, via: 'hostfwd', guestAddress: '', guestPort }
}

async function got(host: string, port: number): Promise<string> {
  let text = ''
  for await (const chunk of connect(port, host)) text += String(chunk)
  return text
}

test('TCP: the agent listens, both families share a rule, made with the first connection and gone with the last forward', async () => {
  const { ask, lines } = monitor()
  const forwarder = qemuForwarder(ask, owner)
  const port = await freePort()
  const four = await forwarder.open(planned('tcp', '127.0.0.1', port, 80))
  const six = await forwarder.open(planned('tcp', '::1', port, 80))
  expect(lines).toEqual([])
  expect(await got('127.0.0.1', port)).toBe('guest 80')
  expect(await got('::1', port)).toBe('guest 80')
  const [, inner] = /^hostfwd_add net0 tcp:127\.0\.0\.1:(\d+)-:80$/.exec(lines.join()) ?? []
  await four()
  await expect(got('127.0.0.1', port)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  expect(await got('::1', port)).toBe('guest 80')
  expect(lines).toHaveLength(1)
  await six()
  expect(lines.slice(1)).toEqual([`hostfwd_remove net0 tcp:127.0.0.1:${inner}`])
})

test('TCP: a port that is taken', async () => {
  const taken = createServer().listen(0, '127.0.0.1')
  servers.push(taken)
  await once(taken, 'listening')
  const { port } = taken.address() as AddressInfo
  const { ask, lines } = monitor()
  await expect(qemuForwarder(ask, owner).open(planned('tcp', '127.0.0.1', port, 80))).rejects.toThrow(
    `port ${port} of the host is taken`,
  )
  expect(lines).toEqual([])
})

test('UDP: both families share a rule, or answers would leave by the wrong one', async () => {
  const { ask, lines } = monitor()
  const guest = createSocket('udp4')
  guest.on('message', (data, from) => guest.send(`guest ${String(data)}`, from.port, from.address))
  const forwarder = qemuForwarder(async (line) => {
    const [, port] = /^hostfwd_add net0 udp:127\.0\.0\.1:(\d+)-:53$/.exec(line) ?? []
    if (port !== undefined)
      await new Promise<void>((resolve) => guest.bind(Number(port), '127.0.0.1', resolve))
    return await ask(line)
  }, owner)
  const port = await freePort('udp')
  const four = await forwarder.open(planned('udp', '127.0.0.1', port, 53))
  const six = await forwarder.open(planned('udp', '::1', port, 53))
  try {
    expect(lines).toEqual([])
    for (const [type, host] of [
      ['udp4', '127.0.0.1'],
      ['udp6', '::1'],
    ] as const) {
      const client = createSocket(type)
      client.send('x', port, host)
      const [answer] = (await once(client, 'message', { signal: AbortSignal.timeout(5000) })) as [Buffer]
      expect(String(answer)).toBe('guest x')
      client.close()
    }
    expect(lines).toEqual([expect.stringMatching(/^hostfwd_add net0 udp:127\.0\.0\.1:\d+-:53$/)])
  } finally {
    await four()
    await six()
    guest.close()
  }
  expect(lines.slice(1)).toEqual([expect.stringMatching(/^hostfwd_remove net0 udp:127\.0\.0\.1:\d+$/)])
})
