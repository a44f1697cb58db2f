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

test('UDP: QEMU listens itself; tried again, a port that is still taken does not concern it', async () => {
  const { ask, lines } = monitor()
  const socket = createSocket('udp4').bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const { port } = socket.address()
  const open = (again: boolean) =>
    qemuForwarder(ask, owner).open(planned('udp', '127.0.0.1', port, 53), again)
  await expect(open(true)).rejects.toThrow(`port ${port} of the host is taken`)
  expect(lines).toEqual([])
  socket.close()
  await once(socket, 'close')
  const close = await open(true)
  await close()
  expect(lines).toEqual([
    `hostfwd_add net0 udp:127.0.0.1:${port}-:53`,
    `hostfwd_remove net0 udp:127.0.0.1:${port}`,
  ])
})
