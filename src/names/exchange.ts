import { randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { connect, isIPv6 } from 'node:net'
import { answers, isTruncated, withId } from './reply.ts'

/** A name server. */
export interface NameServer {
  address: string
  port: number
}

/** How a query goes to a name server and its answer comes back; undefined for none. Never rejects. */
export type Exchange = (server: NameServer, query: Buffer, signal: AbortSignal) => Promise<Buffer | undefined>

/** Asks over UDP; when the answer was cut, again over TCP, and gives the cut one only when that fails. */
export async function askUdp(
  server: NameServer,
  query: Buffer,
  signal: AbortSignal,
): Promise<Buffer | undefined> {
  const answer = await overUdp(server, query, signal)
  if (answer === undefined || !isTruncated(answer)) return answer
  return (await askTcp(server, query, signal)) ?? answer
}

/** Asks over TCP (RFC 7766). */
export async function askTcp(
  server: NameServer,
  query: Buffer,
  signal: AbortSignal,
): Promise<Buffer | undefined> {
  const { id, sent } = disguised(query)
  return await settled(signal, (done, abandon) => {
    const socket = connect({ host: server.address, port: server.port })
    let received = Buffer.alloc(0)
    socket.on('connect', () => {
      const length = Buffer.alloc(2)
      length.writeUInt16BE(sent.length)
      socket.write(Buffer.concat([length, sent]))
    })
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk])
      if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return
      const message = received.subarray(2, 2 + received.readUInt16BE(0))
      done(answers(message, sent) ? withId(message, id) : undefined)
    })
    socket.on('error', () => done(undefined))
    socket.on('close', () => done(undefined))
    abandon(() => socket.destroy())
  })
}

async function overUdp(server: NameServer, query: Buffer, signal: AbortSignal): Promise<Buffer | undefined> {
  const { id, sent } = disguised(query)
  return await settled(signal, (done, abandon) => {
    // One for each query: a port that nobody can guess is half of what keeps forged answers out (RFC 5452, 9.2).
    const socket = createSocket(isIPv6(server.address) ? 'udp6' : 'udp4')
    socket.on('message', (message) => {
      // What does not belong to the query may have come from anyone.
      if (answers(message, sent)) done(withId(message, id))
    })
    socket.on('error', () => done(undefined))
    socket.connect(server.port, server.address, (error?: unknown) => {
      if (error instanceof Error) done(undefined)
      else socket.send(sent, (failed) => failed && done(undefined))
    })
    abandon(() => socket.close())
  })
}

/** The other half: a number of our own. */
function disguised(query: Buffer): { id: number; sent: Buffer } {
  return { id: query.readUInt16BE(0), sent: withId(query, randomInt(65_536)) }
}

/** Runs until `done` is called or the signal aborts; then what `abandon` was given, once. */
async function settled(
  signal: AbortSignal,
  run: (done: (answer: Buffer | undefined) => void, abandon: (end: () => void) => void) => void,
): Promise<Buffer | undefined> {
  if (signal.aborted) return undefined
  return await new Promise((resolve) => {
    let end: (() => void) | undefined
    let over = false
    const done = (answer: Buffer | undefined) => {
      if (over) return
      over = true
      signal.removeEventListener('abort', abort)
      resolve(answer)
      end?.()
    }
    const abort = () => done(undefined)
    signal.addEventListener('abort', abort, { once: true })
    run(done, (given) => {
      end = given
      if (over) given()
    })
  })
}
