import { createSocket } from 'node:dgram'
import { createServer, type Socket } from 'node:net'
import * as packet from 'dns-packet'

/** A name server on the loopback, over UDP and TCP, that knows names below `fake.test`. */
export interface FakeServer {
  port: number
  /** What it was asked: `udp name TYPE`. */
  asked: string[]
  close: () => Promise<void>
}

/** Ten texts of 100 bytes: they fit no answer over plain UDP. */
export const bigTexts = Array.from({ length: 10 }, (_, index) => `${index}${'x'.repeat(99)}`)

const zone: Record<string, packet.Answer[]> = {
  'a.fake.test A': [{ type: 'A', name: '', data: '10.9.9.9' }],
  'a.fake.test AAAA': [{ type: 'AAAA', name: '', data: '2001:db8::9' }],
  'a.fake.test MX': [{ type: 'MX', name: '', data: { preference: 5, exchange: 'mx.fake.test' } }],
  '_s._tcp.fake.test SRV': [
    { type: 'SRV', name: '', data: { port: 80, target: 'a.fake.test', priority: 1, weight: 2 } },
  ],
  'big.fake.test TXT': bigTexts.map((data) => ({ type: 'TXT', name: '', data })),
}

/**
 * Starts one on `port`, or any. An answer that was cut holds no record, as many servers have it.
 */
export async function fakeServer(port = 0): Promise<FakeServer> {
  const asked: string[] = []
  const udp = createSocket('udp4')
  const sockets = new Set<Socket>()
  udp.on('message', (message, from) => udp.send(answerTo(message, 'udp', asked), from.port, from.address))
  const tcp = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.on('data', (chunk: Buffer) => {
      const answer = answerTo(chunk.subarray(2), 'tcp', asked)
      const length = Buffer.alloc(2)
      length.writeUInt16BE(answer.length)
      // In two pieces, as a network may bring it.
      socket.write(length)
      socket.write(answer)
    })
  })
  await new Promise<void>((resolve) => {
    tcp.listen(port, '127.0.0.1', resolve)
  })
  const address = tcp.address()
  const bound = typeof address === 'object' && address ? address.port : 0
  await new Promise<void>((resolve) => {
    udp.bind(bound, '127.0.0.1', resolve)
  })
  return {
    port: bound,
    asked,
    close: async () => {
      for (const socket of sockets) socket.destroy()
      await Promise.all([
        new Promise<void>((resolve) => {
          udp.close(() => resolve())
        }),
        new Promise<void>((resolve) => {
          tcp.close(() => resolve())
        }),
      ])
    },
  }
}

function answerTo(message: Buffer, transport: 'udp' | 'tcp', asked: string[]): Buffer {
  const { id, questions = [], additionals = [] } = packet.decode(message)
  const [{ name, type } = { name: '', type: 'A' as const }] = questions
  asked.push(`${transport} ${name} ${type}`)
  const key = name.toLowerCase()
  const isName = Object.keys(zone).some((each) => each.startsWith(`${key} `))
  const answers = (zone[`${key} ${type}`] ?? []).map((each) => ({ ...each, name, ttl: 60 }) as packet.Answer)
  const answer = (found: packet.Answer[], flags: number) =>
    packet.encode({ type: 'response', id: id ?? 0, flags, questions, answers: found })
  const whole = answer(answers, isName ? 0 : 3)
  const option = additionals.find((each) => each.type === 'OPT') as { udpPayloadSize?: number } | undefined
  const fits = transport === 'tcp' || whole.length <= Math.max(512, option?.udpPayloadSize ?? 0)
  return fits ? whole : answer([], packet.TRUNCATED_RESPONSE)
}
