import { type ChildProcess, spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { Resolver as Client } from 'node:dns/promises'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import * as packet from 'dns-packet'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openNames, type Names } from '../../../src/agent/names.ts'
import { bigTexts, fakeServer, type FakeServer } from './fake-server.ts'

// The guest's program and the agent's end, joined as QEMU joins them; a client asks the program over UDP and TCP.

const program = path.resolve(import.meta.dirname, '../../../guest/rootfs/usr/lib/tcolima/resolve')
const limitMs = 20_000

let folder: string
let server: FakeServer
let forwarder: FakeServer
let port: Port
let relay: ChildProcess
let relayPort: number
let names: Names | undefined
let client: Client

beforeEach(async () => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'tcolima-relay-'))
  writeFileSync(path.join(folder, 'resolv.conf'), '# kept\nnameserver 10.0.2.3\nsearch before.test\n')
  server = await fakeServer()
  forwarder = await fakeServer()
  port = new Port(folder)
  await port.listen()
  relayPort = await twoFreePorts()
  relay = start('yes')
  client = clientFor()
})

afterEach(async () => {
  names?.close()
  names = undefined
  const ended = new Promise((resolve) => relay.once('exit', resolve))
  relay.kill('SIGKILL')
  await ended
  await Promise.all([server.close(), forwarder.close(), port.close()])
  rmSync(folder, { recursive: true, force: true })
})

function start(fallback: 'yes' | 'no'): ChildProcess {
  const places = [port.guest, `127.0.0.1:${relayPort}`, `127.0.0.1:${forwarder.port}`]
  return spawn('perl', [program, ...places], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, DNS_FALLBACK: fallback, RESOLV_CONF: path.join(folder, 'resolv.conf') },
  })
}

function clientFor(): Client {
  const made = new Client({ timeout: 3000, tries: 2 })
  made.setServers([`127.0.0.1:${relayPort}`])
  return made
}

async function attach(dnsHosts: Record<string, string> = {}): Promise<void> {
  names = await openNames(port.host, { dns: [`127.0.0.1:${server.port}`], dnsHosts }, 'linux')
  await eventually(async () => (await over('udp', 'host.docker.internal', 'A')).answers?.length === 1)
}

describe('with the agent there', () => {
  test('everything a client asks for', async () => {
    await attach({ 'fixed.test': '10.9.8.7' })
    expect(await client.resolve4('fixed.test')).toEqual(['10.9.8.7'])
    expect(await client.resolve4('host.docker.internal')).toEqual(['10.0.2.2'])
    expect(await client.resolve4('a.fake.test')).toEqual(['10.9.9.9'])
    expect(await client.resolve6('a.fake.test')).toEqual(['2001:db8::9'])
    expect(await client.resolveMx('a.fake.test')).toEqual([{ exchange: 'mx.fake.test', priority: 5 }])
    expect(await client.resolveSrv('_s._tcp.fake.test')).toEqual([
      { name: 'a.fake.test', port: 80, priority: 1, weight: 2 },
    ])
    await expect(client.resolve4('none.fake.test')).rejects.toMatchObject({ code: 'ENOTFOUND' })
    await expect(client.resolveTxt('a.fake.test')).rejects.toMatchObject({ code: 'ENODATA' })
    // c-ares speaks EDNS with a small size, and asks again over TCP.
    expect((await client.resolveTxt('big.fake.test')).flat()).toEqual(bigTexts)
  })

  test('long answers: whole with EDNS and over TCP; else cut between records, as if the server had', async () => {
    await attach()
    const counted = async (transport: 'udp' | 'tcp', size?: number) => {
      const { answers = [], flag_tc: cut } = await over(transport, 'big.fake.test', 'TXT', size)
      return [answers.length, cut]
    }
    expect(await counted('udp', 4096)).toEqual([10, false])
    expect(await counted('tcp')).toEqual([10, false])
    expect(await counted('udp')).toEqual([3, true])
    expect(await counted('udp', 700)).toEqual([5, true])
    expect(server.asked.filter((line) => line.startsWith('tcp')).length).toBeGreaterThanOrEqual(3)
  })

  test('many at once, each gets its own', async () => {
    const hosts = Object.fromEntries(Array.from({ length: 250 }, (_, n) => [`h${n}.test`, `10.7.0.${n}`]))
    await attach(hosts)
    const found = await Promise.all(
      Object.keys(hosts).map(async (name, n) => {
        const { answers = [] } = await over(n % 10 === 0 ? 'tcp' : 'udp', name, 'A')
        return (answers[0] as { data?: string } | undefined)?.data
      }),
    )
    expect(found).toEqual(Object.values(hosts))
  })

  test('several queries in pieces over one connection', async () => {
    await attach({ 'one.test': '10.1.1.1', 'two.test': '10.1.1.2' })
    const socket = connect(relayPort, '127.0.0.1')
    const both = Buffer.concat(['one.test', 'two.test'].map((name) => framed(query(name, 'A'))))
    for (const byte of both) socket.write(Buffer.from([byte]))
    let received = Buffer.alloc(0)
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk])
    })
    await eventually(async () => received.toString('latin1').includes('\x0a\x01\x01\x02'))
    socket.destroy()
  })

  test('other settings hold from the next query on', async () => {
    await attach({ 'fixed.test': '10.9.8.7' })
    names?.change({ dns: [`127.0.0.1:${forwarder.port}`], dnsHosts: { 'fixed.test': '10.9.8.6' } })
    expect(await client.resolve4('fixed.test')).toEqual(['10.9.8.6'])
    expect(await client.resolve4('a.fake.test')).toEqual(['10.9.9.9'])
    expect([server.asked, forwarder.asked]).toEqual([[], expect.arrayContaining(['udp a.fake.test A'])])
  })

  test('noise does not end it', async () => {
    await attach({ 'fixed.test': '10.9.8.7' })
    const noise = createSocket('udp4')
    for (const bytes of [Buffer.alloc(0), Buffer.from('x'), Buffer.alloc(12), Buffer.alloc(9000, 255)]) {
      noise.send(bytes, relayPort, '127.0.0.1')
    }
    port.toGuest('nonsense\na 99999 00\na x\n\n')
    const socket = connect(relayPort, '127.0.0.1', () => socket.end(Buffer.from([255, 255, 1])))
    socket.on('error', () => undefined)
    expect(await client.resolve4('fixed.test')).toEqual(['10.9.8.7'])
    noise.close()
    socket.destroy()
    expect(relay.exitCode).toBeNull()
  })

  test('the search domains go into resolv.conf, all else stays', async () => {
    await attach()
    port.toGuest('search one.test two.test\n')
    const file = () => readFileSync(path.join(folder, 'resolv.conf'), 'utf8')
    await eventually(async () => file().endsWith('search one.test two.test\n'))
    expect(file()).toBe('# kept\nnameserver 10.0.2.3\nsearch one.test two.test\n')
    port.toGuest('search $(x)\nsearch\n')
    await eventually(async () => !file().includes('search'))
    expect(file()).toBe('# kept\nnameserver 10.0.2.3\n')
  })
})

describe('while nobody is at the other end', () => {
  const shut = async () => {
    await port.close()
    await eventually(async () => (await over('udp', 'host.docker.internal', 'A')).answers?.length !== 1)
  }

  test("QEMU's forwarder answers; what it does not know nobody can tell", async () => {
    await attach()
    await shut()
    expect(await client.resolve4('a.fake.test')).toEqual(['10.9.9.9'])
    expect(server.asked).toEqual([])
    expect(forwarder.asked).toContain('udp a.fake.test A')
    await expect(client.resolve4('host.docker.internal')).rejects.toMatchObject({ code: 'ESERVFAIL' })
    expect(((await over('tcp', 'a.fake.test', 'A')) as unknown as { rcode: string }).rcode).toBe('SERVFAIL')
  })

  test("not where the user's own servers take the place of the host's", async () => {
    const ended = new Promise((resolve) => relay.once('exit', resolve))
    relay.kill('SIGKILL')
    await ended
    relay = start('no')
    await attach()
    await shut()
    await expect(client.resolve4('a.fake.test')).rejects.toMatchObject({ code: 'ESERVFAIL' })
    expect(forwarder.asked).toEqual([])
  })

  test('and once somebody is there again, all is as before', async () => {
    await attach({ 'fixed.test': '10.9.8.7' })
    await shut()
    names?.close()
    await port.listen()
    await attach({ 'fixed.test': '10.9.8.7' })
    expect(await client.resolve4('fixed.test')).toEqual(['10.9.8.7'])
  })
})

/** A virtio-serial port: joins whoever comes at one end with whoever is at the other. */
class Port {
  readonly guest: string
  readonly host: string
  #servers: Server[] = []
  #guestEnd: Socket | undefined
  #hostEnd: Socket | undefined

  constructor(place: string) {
    this.guest = path.join(place, 'guest.sock')
    this.host = path.join(place, 'host.sock')
  }

  async listen(): Promise<void> {
    const guest = createServer((socket) => {
      this.#guestEnd = socket
      socket.on('error', () => socket.destroy())
      // What the program says before somebody is there waits.
      if (this.#hostEnd) join(this.#hostEnd, socket)
    })
    const host = createServer((socket) => {
      this.#hostEnd = socket
      socket.on('error', () => socket.destroy())
      socket.on('close', () => (this.#hostEnd = undefined))
      if (this.#guestEnd) join(socket, this.#guestEnd)
    })
    this.#servers = [guest, host]
    await Promise.all(
      [guest, host].map(
        (each, index) =>
          new Promise<void>((resolve) => {
            each.listen([this.guest, this.host][index], resolve)
          }),
      ),
    )
  }

  toGuest(text: string): void {
    this.#guestEnd?.write(text)
  }

  async close(): Promise<void> {
    this.#guestEnd?.destroy()
    this.#hostEnd?.destroy()
    this.#guestEnd = undefined
    this.#hostEnd = undefined
    await Promise.all(
      this.#servers.map(
        (each) =>
          new Promise((resolve) => {
            each.close(resolve)
          }),
      ),
    )
    this.#servers = []
  }
}

function join(one: Socket, other: Socket): void {
  one.pipe(other)
  other.pipe(one)
}

function query(name: string, type: packet.RecordType, size?: number): Buffer {
  const option = { type: 'OPT', name: '.', udpPayloadSize: size ?? 0, flags: 0, options: [] } as never
  return packet.encode({
    type: 'query',
    id: Math.floor(Math.random() * 65_536),
    questions: [{ name, type }],
    additionals: size === undefined ? [] : [option],
  })
}

function framed(message: Buffer): Buffer {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(message.length)
  return Buffer.concat([length, message])
}

/** Asks the program by hand. */
async function over(
  transport: 'udp' | 'tcp',
  name: string,
  type: packet.RecordType,
  size?: number,
): Promise<packet.DecodedPacket> {
  const sent = query(name, type, size)
  const message = await new Promise<Buffer>((resolve, reject) => {
    const timer = setTimeout(() => end(() => reject(new Error(`no answer for ${name}`))), limitMs)
    const end = (finish: () => void) => {
      clearTimeout(timer)
      close()
      finish()
    }
    let close = () => undefined as void
    if (transport === 'udp') {
      const socket = createSocket('udp4')
      close = () => socket.close()
      socket.on('message', (answer) => end(() => resolve(answer)))
      socket.send(sent, relayPort, '127.0.0.1')
      return
    }
    const socket = connect(relayPort, '127.0.0.1', () => socket.write(framed(sent)))
    close = () => socket.destroy()
    let received = Buffer.alloc(0)
    socket.on('error', (error) => end(() => reject(error)))
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk])
      if (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
        end(() => resolve(received.subarray(2)))
      }
    })
  })
  expect(message.readUInt16BE(0)).toBe(sent.readUInt16BE(0))
  return packet.decode(message)
}

async function twoFreePorts(): Promise<number> {
  for (;;) {
    const first = 20_000 + Math.floor(Math.random() * 10_000)
    const free = await Promise.all([first, first + 1].map(isFree))
    if (free.every(Boolean)) return first
  }
}

async function isFree(number: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = createSocket('udp4')
    socket.once('error', () => resolve(false))
    socket.bind(number, '127.0.0.1', () => socket.close(() => resolve(true)))
  })
}

/** Asks until `check` holds; what it throws is "not yet". */
async function eventually(check: () => Promise<boolean>): Promise<void> {
  const until = performance.now() + limitMs
  for (;;) {
    const holds = await Promise.race([
      check().catch(() => false),
      new Promise<false>((resolve) => setTimeout(() => resolve(false), 1000)),
    ])
    if (holds) return
    if (performance.now() > until) throw new Error('not within the limit')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
