import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import {
  type ClientDuplexStream,
  credentials,
  type handleBidiStreamingCall,
  makeGenericClientConstructor,
  Server,
  ServerCredentials,
  type ServiceDefinition,
  status,
} from '@grpc/grpc-js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { eventually, tcolima } from './harness.ts'
import { serveIn } from './serve.ts'

// Protocols that keep a connection open and talk both ways, through ports of the guest. Their servers are on the host, behind
// a relay in the guest that knows nothing of them: a message goes into the guest and out again, and so does its answer.

const profile = 'shared'
const limitMs = 60_000

const sockets = new WebSocketServer({ host: '127.0.0.1', port: 0 })
const listening = once(sockets, 'listening')
sockets.on('connection', (socket) => {
  socket.on('message', (data: Buffer, binary) => {
    if (String(data) === 'close') socket.close(4001, 'as asked')
    else socket.send(data, { binary })
  })
})

// Messages are plain bytes.
const plain = (bytes: Buffer) => bytes
const service = {
  talk: {
    path: '/test.Streams/Talk',
    requestStream: true,
    responseStream: true,
    requestSerialize: plain,
    requestDeserialize: plain,
    responseSerialize: plain,
    responseDeserialize: plain,
  },
} satisfies ServiceDefinition
let cancelled = 0
const talk: handleBidiStreamingCall<Buffer, Buffer> = (call) => {
  call.on('cancelled', () => cancelled++)
  call.on('data', (message: Buffer) => {
    if (String(message) === 'fail')
      call.emit('error', { code: status.FAILED_PRECONDITION, details: 'as asked' })
    else call.write(message)
  })
  call.on('end', () => call.end())
}
const calls = new Server()
calls.addService(service, { talk })
const Client = makeGenericClientConstructor(service, 'Streams')

let end = async () => {}
beforeAll(async () => {
  await listening
  const port = await new Promise<number>((resolve, reject) => {
    calls.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    )
  })
  const webSockets = `host${(sockets.address() as AddressInfo).port}`
  end = await serveIn(profile, [
    `${webSockets}:0.0.0.0:18300`,
    `${webSockets}:127.0.0.1:18301`,
    `host${port}:0.0.0.0:18310`,
    `host${port}:127.0.0.1:18311`,
  ])
  await eventually(async () => {
    const { stdout } = await tcolima(['ports', profile])
    return [18_300, 18_301, 18_310, 18_311].every((each) => String(stdout).includes(`${each}`)) || undefined
  }, 20_000)
})

afterAll(async () => {
  await end()
  sockets.close()
  calls.forceShutdown()
})

const message = (index: number) => Buffer.alloc(1 + ((index * 7919) % 70_000), index)

describe.each([
  ['hostfwd', 18_300, 18_310],
  ['ssh', 18_301, 18_311],
])('through %s', (_via, webSocketPort, grpcPort) => {
  const opened: { close: () => void }[] = []
  afterAll(() => {
    for (const each of opened) each.close()
  })

  async function webSocket(): Promise<WebSocket> {
    const socket = new WebSocket(`ws://127.0.0.1:${webSocketPort}/`, { handshakeTimeout: limitMs })
    opened.push({ close: () => socket.terminate() })
    await once(socket, 'open')
    return socket
  }

  function call(): ClientDuplexStream<Buffer, Buffer> {
    const client = new Client(`127.0.0.1:${grpcPort}`, credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
    })
    opened.push(client)
    const stream = client['talk']!({ deadline: Date.now() + limitMs }) as ClientDuplexStream<Buffer, Buffer>
    return stream
  }

  it('a WebSocket carries messages both ways, in order, pings, and why it was closed', async () => {
    const socket = await webSocket()
    const got: Buffer[] = []
    socket.on('message', (data: Buffer) => got.push(data))
    for (let index = 0; index < 100; index++) socket.send(message(index))
    await eventually(() => got.length === 100 || undefined, limitMs)
    expect(got.every((data, index) => data.equals(message(index)))).toBe(true)
    const ponged = once(socket, 'pong')
    socket.ping('word')
    expect(String((await ponged)[0])).toBe('word')
    socket.send('close')
    const [code, reason] = (await once(socket, 'close')) as [number, Buffer]
    expect([code, String(reason)]).toEqual([4001, 'as asked'])
  })

  it('a WebSocket whose client is gone is gone for its server too', async () => {
    const accepted = once(sockets, 'connection')
    const socket = await webSocket()
    const [atServer] = (await accepted) as [WebSocket]
    const gone = once(atServer, 'close', { signal: AbortSignal.timeout(limitMs) })
    socket.terminate()
    await gone
  })

  it('gRPC streams go on side by side, each in order, until both ends have said so', async () => {
    const streams = Array.from({ length: 10 }, call)
    const all = streams.map(async (stream, at) => {
      const got: Buffer[] = []
      stream.on('data', (data: Buffer) => got.push(data))
      for (let index = 0; index < 20; index++) stream.write(message(at + index))
      stream.end()
      const [ended] = (await once(stream, 'status')) as [{ code: number }]
      expect(ended.code).toBe(status.OK)
      expect(got.map((data) => data.length)).toEqual(
        Array.from({ length: 20 }, (_, index) => message(at + index).length),
      )
    })
    await Promise.all(all)
  })

  it('a gRPC stream brings the error of its server, and its client’s cancelling', async () => {
    const failing = call()
    failing.write(Buffer.from('fail'))
    const [error] = (await once(failing, 'error')) as [{ code: number; details: string }]
    expect([error.code, error.details]).toEqual([status.FAILED_PRECONDITION, 'as asked'])
    const before = cancelled
    const stopped = call()
    stopped.on('error', () => undefined)
    stopped.write(Buffer.from('x'))
    await once(stopped, 'data')
    stopped.cancel()
    await eventually(() => cancelled > before || undefined, limitMs)
  })
})
