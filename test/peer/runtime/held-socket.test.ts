import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import {
  Agent,
  createServer,
  type IncomingMessage,
  request,
  type RequestOptions,
  type Server,
  type ServerResponse,
} from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Duplex, Readable } from 'node:stream'
import { execa } from 'execa'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { portChange } from '../../../src/runtime/docker-api/port-requests.ts'
import { holdAnswers } from '../../../src/runtime/hold-answers.ts'
import { type Forward, forwardUnix } from '../../../src/ssh/forward.ts'

let folder: string
let daemon: Server
let forward: Forward
let clients: Agent
/** Called for each answer that is held. */
let hold: (container: string) => Promise<void>
let serve: (request: IncomingMessage, response: ServerResponse) => void
const at = (name: string) => path.join(folder, name)

beforeEach(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'tcolima-held-'))
  hold = async () => undefined
  daemon = createServer((asked, answer) => serve(asked, answer))
  daemon.listen(at('daemon.sock'))
  await once(daemon, 'listening')
  const open = async () => connect({ path: at('daemon.sock'), allowHalfOpen: true })
  forward = await forwardUnix(at('docker.sock'), open, () => {
    const { requests, answers } = holdAnswers((method, target) => {
      const change = portChange(method, target)
      return change && (() => hold(change.container))
    })
    return { forth: requests, back: answers }
  })
  // One connection for all.
  clients = new Agent({ keepAlive: true, maxSockets: 1 })
})
afterEach(async () => {
  clients.destroy()
  await forward.close()
  daemon.closeAllConnections()
  daemon.close()
  rmSync(folder, { recursive: true, force: true })
})

/** All of a stream, which is left as it is then: iterating would destroy it. */
async function bodyOf(stream: Readable): Promise<Buffer> {
  const parts: Buffer[] = []
  stream.on('data', (part: Buffer) => parts.push(part))
  await once(stream, 'end')
  return Buffer.concat(parts)
}

async function ask(method: string, target: string, body?: Buffer, more: RequestOptions = {}) {
  const asked = request({ socketPath: at('docker.sock'), agent: clients, method, path: target, ...more })
  if (body)
    for (let from = 0; from < body.length; from += 100_000) asked.write(body.subarray(from, from + 100_000))
  asked.end()
  const [answer] = (await once(asked, 'response')) as [IncomingMessage]
  return { status: answer.statusCode, body: await bodyOf(answer) }
}

const sum = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

describe("node's client and server", () => {
  test('all kinds of requests on connections that are used again, with held ones between', async () => {
    const sockets = new Set<unknown>()
    const held: string[] = []
    hold = async (container) => {
      held.push(container)
    }
    serve = (asked, answer) => {
      sockets.add(asked.socket)
      void bodyOf(asked).then((body) => {
        if (asked.url === '/none') answer.writeHead(204).end()
        else if (asked.url === '/chunks') answer.write('a', () => answer.end('b'.repeat(70_000)))
        else if (asked.url?.includes('/containers/')) answer.writeHead(204).end()
        else answer.end(sum(body))
      })
    }
    const large = randomBytes(3_000_000)
    for (let turn = 0; turn < 3; turn++) {
      expect((await ask('POST', '/sum', large)).body.toString()).toBe(sum(large))
      expect(
        (await ask('POST', '/sum', large, { headers: { 'content-length': large.length } })).body.toString(),
      ).toBe(sum(large))
      expect((await ask('HEAD', '/sum')).status).toBe(200)
      expect((await ask('POST', `/v1.45/containers/c${turn}/start`)).status).toBe(204)
      expect((await ask('GET', '/none')).status).toBe(204)
      expect((await ask('GET', '/chunks')).body.length).toBe(70_001)
      expect((await ask('DELETE', `/v1.45/containers/c${turn}?force=1`)).status).toBe(204)
    }
    expect(held).toEqual(['c0', 'c0', 'c1', 'c1', 'c2', 'c2'])
    // Node opens a few by itself.
    expect(sockets.size).toBeLessThan(5)
  })

  test('an answer waits, others on other connections do not', async () => {
    const order: string[] = []
    let free = () => {}
    hold = () =>
      new Promise((resolve) => {
        free = resolve
      })
    serve = (_asked, answer) => void answer.writeHead(204).end()
    const started = ask('POST', '/containers/x/start').then(() => order.push('started'))
    await ask('GET', '/other', undefined, { agent: new Agent() })
    order.push('other')
    await expect.poll(() => String(free)).not.toBe('() => {}')
    free()
    await started
    expect(order).toEqual(['other', 'started'])
  })

  test('a request that expects to be told to go on', async () => {
    daemon.on('checkContinue', (asked: IncomingMessage, answer: ServerResponse) => {
      answer.writeContinue()
      void bodyOf(asked).then((body) => answer.end(String(body)))
    })
    const asked = request({
      socketPath: at('docker.sock'),
      method: 'POST',
      path: '/x',
      headers: { expect: '100-continue' },
    })
    asked.flushHeaders()
    await once(asked, 'continue')
    asked.end('body')
    const [answer] = (await once(asked, 'response')) as [IncomingMessage]
    expect(String(await bodyOf(answer))).toBe('body')
  })

  test('an upgraded connection is a pipe, half closed by either side', async () => {
    daemon.on('upgrade', (_asked: IncomingMessage, socket: Duplex) => {
      socket.write('HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n')
      void bodyOf(socket).then((body) => socket.end(sum(body)))
    })
    const asked = request({
      socketPath: at('docker.sock'),
      method: 'POST',
      path: '/exec/x/start',
      headers: { connection: 'Upgrade', upgrade: 'tcp' },
    })
    asked.end()
    const [, socket] = (await once(asked, 'upgrade')) as [IncomingMessage, Duplex]
    // Looks like an answer and like requests.
    const data = Buffer.concat([
      Buffer.from('POST /containers/x/start HTTP/1.1\r\n\r\n'),
      randomBytes(20_000_000),
    ])
    socket.end(data)
    expect(String(await bodyOf(socket))).toBe(sum(data))
  })

  test('a large body is not gathered on its way', async () => {
    const total = 400_000_000
    serve = (asked, answer) => void lengthOf(asked).then((length) => answer.end(String(length)))
    const before = process.memoryUsage().arrayBuffers
    let most = 0
    const asked = request({ socketPath: at('docker.sock'), method: 'POST', path: '/images/load' })
    const part = Buffer.alloc(1_000_000)
    for (let sent = 0; sent < total; sent += part.length) {
      most = Math.max(most, process.memoryUsage().arrayBuffers - before)
      if (!asked.write(part)) await once(asked, 'drain')
    }
    asked.end()
    const [answer] = (await once(asked, 'response')) as [IncomingMessage]
    expect(String(await bodyOf(answer))).toBe(String(total))
    expect(most).toBeLessThan(50_000_000)
  })
})

async function lengthOf(stream: AsyncIterable<unknown>): Promise<number> {
  let length = 0
  for await (const part of stream) length += (part as Buffer).length
  return length
}

describe('the docker client', () => {
  const docker = (...args: string[]) => {
    const { DOCKER_CONTEXT: _context, ...env } = process.env
    return execa('docker', args, {
      env: { ...(env as Record<string, string>), HOME: folder, DOCKER_HOST: `unix://${at('docker.sock')}` },
      extendEnv: false,
      reject: false,
      stdin: 'ignore',
      timeout: 60_000,
    })
  }
  const json = (answer: ServerResponse, value: unknown) => {
    answer.setHeader('content-type', 'application/json')
    answer.end(JSON.stringify(value))
  }

  beforeEach(() => {
    serve = (asked, answer) => {
      asked.resume()
      answer.setHeader('api-version', '1.45')
      const { method, url = '' } = asked
      if (url.endsWith('/_ping')) answer.end('OK')
      else if (url.includes('/containers/create')) json(answer, { Id: 'f'.repeat(64), Warnings: [] })
      else if (url.includes('/wait')) answer.flushHeaders()
      else if (/\/(?:start|stop|kill)$/.test(url.replace(/\?.*/, '')) || method === 'DELETE')
        answer.writeHead(204).end()
      else if (url.endsWith('/exec')) json(answer, { Id: 'e1' })
      else if (url.endsWith('/exec/e1/json')) json(answer, { ID: 'e1', ExitCode: 7, Running: false })
      else if (/\/containers\/[^/]+\/json$/.test(url))
        json(answer, { Id: 'f'.repeat(64), State: { Running: true }, Config: {}, HostConfig: {} })
      else answer.writeHead(404).end('{"message":"no"}')
    }
  })

  test.each([
    ['start', ['start', 'abc'], 'abc'],
    ['stop', ['stop', 'abc'], 'abc'],
    ['rm', ['rm', '-f', 'abc'], 'abc'],
    ['run -d', ['run', '-d', 'image'], 'f'.repeat(64)],
  ])('%s returns when what it waits for is there', async (_name, args, said) => {
    const order: string[] = []
    hold = async () => {
      await new Promise((resolve) => setTimeout(resolve, 300))
      order.push('ready')
    }
    const result = await docker(...args)
    order.push('returned')
    expect([result.exitCode, result.stdout, result.stderr]).toEqual([0, said, ''])
    expect(order).toEqual(['ready', 'returned'])
  })

  test('exec passes input and output on', async () => {
    daemon.on('upgrade', (_asked: IncomingMessage, socket: Duplex) => {
      socket.write(
        'HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n',
      )
      void bodyOf(socket).then((body) => {
        // The stream's frames (Docker Engine API, "Attach to a container"): 1 is the output.
        const text = Buffer.from(sum(body))
        socket.end(Buffer.concat([Buffer.from([1, 0, 0, 0, 0, 0, 0, text.length]), text]))
      })
    })
    const input = randomBytes(5_000_000)
    const { DOCKER_CONTEXT: _context, ...env } = process.env
    const result = await execa('docker', ['exec', '-i', 'abc', 'cat'], {
      env: { ...(env as Record<string, string>), HOME: folder, DOCKER_HOST: `unix://${at('docker.sock')}` },
      extendEnv: false,
      reject: false,
      input,
      timeout: 60_000,
    })
    expect([result.stdout, result.exitCode, result.stderr]).toEqual([sum(input), 7, ''])
  })
})
