import { once } from 'node:events'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  type PortForward,
  type PortForwardEntry,
  resolvePortForward,
} from '../../../src/config/port-forwards.ts'
import { freePort } from '../../../src/portforward/free-port.ts'
import { ReverseForwards } from '../../../src/portforward/reverse.ts'
import { SshConnection } from '../../../src/ssh/connection.ts'
import { SshLink } from '../../../src/ssh/link.ts'
import { type Sshd, startSshd } from '../mounts/sshd.ts'

let folder: string
let sshd: Sshd
let link: SshLink
let server: Server
let unix: Server

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'tcolima-peer-'))
  sshd = await startSshd(folder)
  link = new SshLink((signal) => SshConnection.connect(sshd.target, signal))
  server = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket)).listen(0, '127.0.0.1')
  unix = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket)).listen(
    path.join(folder, 'host.sock'),
  )
  await Promise.all([once(server, 'listening'), once(unix, 'listening')])
})
afterAll(async () => {
  server.close()
  unix.close()
  link.close()
  await sshd.end()
  rmSync(folder, { recursive: true, force: true })
})

function settled(entries: PortForwardEntry[]): PortForward[] {
  return entries.map((entry) => {
    const result = resolvePortForward({ reverse: true, ...entry }, '/home/ann')
    if (!result.ok) throw new Error(result.problem)
    return result.value
  })
}

function reverseForwards(entries: PortForwardEntry[]): ReverseForwards {
  const rules = settled(entries)
  return new ReverseForwards({ rules, connect: () => link.get(), platform: 'linux', log: () => undefined })
}

/** What comes back after the end of what was sent; the "guest" of these tests is this machine. */
async function echoed(
  where: { path: string } | { host: string; port: number },
  text: string,
): Promise<string> {
  const socket = connect({ ...where, allowHalfOpen: true })
  const chunks: Buffer[] = []
  socket.on('data', (chunk) => chunks.push(chunk))
  socket.end(text)
  await once(socket, 'end')
  return Buffer.concat(chunks).toString()
}

const active = (reverse: ReverseForwards) => () => reverse.list().map(({ state }) => state)

test('ports and sockets of the host appear in the guest, and again after the connection was lost', async () => {
  const guestPort = await freePort()
  const guestSocket = path.join(folder, 'guest.sock')
  const reverse = reverseForwards([
    { guestPort, hostPort: (server.address() as AddressInfo).port },
    { guestSocket, hostSocket: path.join(folder, 'host.sock') },
  ])
  try {
    await expect.poll(active(reverse), { timeout: 10_000 }).toEqual(['active', 'active'])
    expect(await echoed({ host: '127.0.0.1', port: guestPort }, 'to a port')).toBe('to a port')
    expect(await echoed({ path: guestSocket }, 'to a socket')).toBe('to a socket')
    expect(statSync(guestSocket).mode & 0o777).toBe(0o600)
    await sshd.killSessions()
    await expect.poll(active(reverse), { timeout: 10_000 }).toContain('failed')
    await expect.poll(active(reverse), { timeout: 10_000 }).toEqual(['active', 'active'])
    expect(await echoed({ host: '127.0.0.1', port: guestPort }, 'again')).toBe('again')
    expect(await echoed({ path: guestSocket }, 'x'.repeat(5_000_000))).toHaveLength(5_000_000)
  } finally {
    await reverse.close()
  }
})

test('a port of the guest that is taken is told, leaves the others alone, and comes once it is free', async () => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const { port } = taken.address() as AddressInfo
  const guestSocket = path.join(folder, 'second.sock')
  const reverse = reverseForwards([
    { guestPort: port, hostPort: (server.address() as AddressInfo).port },
    { guestSocket, hostSocket: path.join(folder, 'host.sock') },
  ])
  try {
    await expect.poll(active(reverse), { timeout: 10_000 }).toEqual(['failed', 'active'])
    expect(reverse.list()[0]?.reason).toContain('the guest refused')
    taken.close()
    await expect.poll(active(reverse), { timeout: 10_000 }).toEqual(['active', 'active'])
    expect(await echoed({ host: '127.0.0.1', port }, 'now')).toBe('now')
  } finally {
    await reverse.close()
  }
})

test('nobody answers on the host: the connection in the guest ends', async () => {
  const guestSocket = path.join(folder, 'third.sock')
  const reverse = reverseForwards([{ guestSocket, hostSocket: path.join(folder, 'nobody.sock') }])
  try {
    await expect.poll(active(reverse), { timeout: 10_000 }).toEqual(['active'])
    const socket = connect({ path: guestSocket })
    let got = 0
    socket.on('data', (chunk: Buffer) => {
      got += chunk.length
    })
    // An end, or a reset where sshd had not read it yet: what counts is that nobody is left waiting.
    socket.on('error', () => undefined)
    socket.write('x')
    await new Promise<void>((resolve) => {
      socket.once('close', () => resolve())
    })
    expect(got).toBe(0)
  } finally {
    await reverse.close()
  }
})

test('other rules: what stays keeps its connections, what goes is gone, a port can lead elsewhere', async () => {
  const [first, second] = [await freePort(), await freePort()]
  const hostPort = (server.address() as AddressInfo).port
  const guestSocket = path.join(folder, 'fourth.sock')
  const stays = { guestPort: first, hostPort }
  const reverse = reverseForwards([])
  try {
    reverse.setRules(settled([stays, { guestPort: second, hostPort }, { guestSocket, hostPort }]))
    await expect.poll(active(reverse), { timeout: 10_000 }).toEqual(['active', 'active', 'active'])
    const open = connect({ host: '127.0.0.1', port: first })
    await once(open, 'connect')
    const hostSocket = path.join(folder, 'nobody.sock')
    reverse.setRules(settled([{ guestPort: second, hostSocket }, stays]))
    await expect.poll(active(reverse), { timeout: 10_000 }).toEqual(['active', 'active'])
    open.write('still')
    expect(String((await once(open, 'data'))[0])).toBe('still')
    open.destroy()
    expect(await echoed({ host: '127.0.0.1', port: first }, 'x')).toBe('x')
    await expect(echoed({ path: guestSocket }, 'x')).rejects.toThrow(/ECONNREFUSED|ENOENT/)
    // Nobody answers where it leads now.
    expect(await echoed({ host: '127.0.0.1', port: second }, 'x').catch(() => '')).toBe('')
    reverse.setRules([])
    await expect
      .poll(() => echoed({ host: '127.0.0.1', port: first }, 'x').catch(() => 'gone'), { timeout: 10_000 })
      .toBe('gone')
    reverse.setRules(settled([stays]))
    await expect.poll(active(reverse), { timeout: 10_000 }).toEqual(['active'])
  } finally {
    await reverse.close()
  }
})
