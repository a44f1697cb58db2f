import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { callAgent, openExec } from '../../../src/agent/client.ts'
import type { ProgressEvent } from '../../../src/host/progress.ts'

let dir: string
let agent: Server | undefined
const sockets: Socket[] = []
beforeEach(async () => {
  dir = await mkdtemp(path.join(os.tmpdir(), 'tcolima-client-'))
})
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  agent?.close()
  agent = undefined
  await rm(dir, { recursive: true, force: true })
})

/** An agent that does `answer` with each request line; gives its socket path. */
async function fakeAgent(answer: (socket: Socket, request: unknown) => void): Promise<string> {
  const file = path.join(dir, 'agent.sock')
  agent = createServer((socket) => {
    sockets.push(socket)
    socket.on('error', () => undefined)
    socket.once('data', (line: Buffer) => answer(socket, JSON.parse(line.toString())))
  })
  await new Promise<void>((resolve) => {
    agent?.listen(file, resolve)
  })
  return file
}

const status = { phase: 'running', mounts: [], ports: [], sockets: {} }

describe('callAgent', () => {
  test('sends one line, gives the events in order and then the result', async () => {
    let asked: unknown
    const file = await fakeAgent((socket, request) => {
      asked = request
      socket.write('{"event":{"type":"step","step":"boot","state":"started"}}\n{"event":{"type":"war')
      setTimeout(() => socket.write('ning","text":"é"}}\n{"result":{"already":true}}\n'), 5)
    })
    const events: ProgressEvent[] = []
    const params = { config: {} as never, changes: { cpu: 2 }, save: true }
    const result = await callAgent(file, 'start', params, { report: (event) => events.push(event) })
    expect(asked).toEqual({ method: 'start', params })
    expect(result).toEqual({ already: true })
    expect(events).toEqual([
      { type: 'step', step: 'boot', state: 'started' },
      { type: 'warning', text: 'é' },
    ])
  })

  test('a character cut in two by the connection', async () => {
    const bytes = Buffer.from('{"result":{"phase":"é"}}\n')
    const file = await fakeAgent((socket) => {
      const cut = bytes.indexOf(0xa9)
      socket.write(bytes.subarray(0, cut))
      setTimeout(() => socket.end(bytes.subarray(cut)), 5)
    })
    expect(await callAgent(file, 'status', {})).toEqual({ phase: 'é' })
  })

  test('an error arrives with all that belongs to it', async () => {
    const record = {
      code: 'host',
      message: 'no space',
      hint: 'free some',
      step: 'image',
      log: { path: 'x.log', lines: ['one'] },
    }
    const file = await fakeAgent((socket) => socket.end(`${JSON.stringify({ error: record })}\n`))
    await expect(callAgent(file, 'stop', { force: false })).rejects.toMatchObject(record)
  })

  test('nobody listens', async () => {
    const error = { code: 'not-running' }
    await expect(callAgent(path.join(dir, 'none'), 'status', {})).rejects.toMatchObject(error)
    await writeFile(path.join(dir, 'file'), '')
    await expect(callAgent(path.join(dir, 'file'), 'status', {})).rejects.toMatchObject(error)
  })

  test('an agent that was about to end did not read the request', async () => {
    const file = await fakeAgent((socket) => socket.destroy())
    await expect(callAgent(file, 'status', {})).rejects.toMatchObject({ code: 'not-running' })
  })

  test('an agent that dies in the middle: the last lines of its log', async () => {
    const log = path.join(dir, 'agent.log')
    await writeFile(log, 'first\nlast\n')
    const file = await fakeAgent((socket) => {
      socket.write('{"event":{"type":"note","step":"boot","text":"x"}}\n')
      setTimeout(() => socket.destroy(), 5)
    })
    await expect(callAgent(file, 'stop', { force: true }, { log })).rejects.toMatchObject({
      code: 'failed',
      message: 'the agent ended before it answered',
      log: { path: log, lines: ['first', 'last'] },
    })
  })

  test.each(['before', 'while'])(
    'aborted %s it is asked: cancelled, and the connection is closed',
    async (when) => {
      const controller = new AbortController()
      let closed: Promise<void> | undefined
      const file = await fakeAgent((socket) => {
        closed = new Promise((resolve) => {
          socket.once('close', () => resolve())
        })
        socket.resume()
        controller.abort()
      })
      if (when === 'before') controller.abort()
      await expect(callAgent(file, 'status', {}, { signal: controller.signal })).rejects.toMatchObject({
        code: 'cancelled',
        message: 'status was cancelled',
      })
      await closed
    },
  )

  test('no answer in time', async () => {
    const file = await fakeAgent(() => undefined)
    await expect(callAgent(file, 'status', {}, { limitMs: 20 })).rejects.toMatchObject({
      code: 'failed',
      message: 'the agent did not answer within 0.02 s',
    })
  })

  test('an answer in time leaves no limit behind', async () => {
    const file = await fakeAgent((socket) => socket.end(`${JSON.stringify({ result: status })}\n`))
    expect(await callAgent(file, 'status', {}, { limitMs: 5000 })).toEqual(status)
  })
})

describe('openExec', () => {
  test('gives the connection and the bytes that came with the answer', async () => {
    const binary = Buffer.from([0, 255, 10, 10, 128])
    const file = await fakeAgent((socket) => {
      socket.write('{"result"')
      setTimeout(() => socket.write(Buffer.concat([Buffer.from(':{}}\n'), binary])), 5)
    })
    const { socket, head } = await openExec(file, { command: ['true'] })
    sockets.push(socket)
    expect(head.equals(binary)).toBe(true)
    expect(socket.isPaused()).toBe(true)
  })

  test.each([
    ['an error', (socket: Socket) => socket.end('{"error":{"code":"busy","message":"x"}}\n'), 'busy'],
    ['the end', (socket: Socket) => socket.end(), 'failed'],
  ])('%s', async (_, answer, code) => {
    const file = await fakeAgent(answer)
    await expect(openExec(file, { command: [] })).rejects.toMatchObject({ code })
  })

  test('nobody listens', async () => {
    await expect(openExec(path.join(dir, 'none'), { command: [] })).rejects.toMatchObject({
      code: 'not-running',
    })
  })
})
