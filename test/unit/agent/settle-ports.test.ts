import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { Duplex } from 'node:stream'
import { afterEach, expect, test } from 'vitest'
import { type PortsWorld, settlePorts } from '../../../src/agent/settle-ports.ts'

let server: Server | undefined
afterEach(() => {
  server?.closeAllConnections()
  server?.close()
})

const never = () => new Promise<void>(() => undefined)

/** A world that writes down what happens; its engine answers with what `published` then gives. */
async function world(more: Partial<PortsWorld> = {}) {
  const events: string[] = []
  server = createServer((request, response) => {
    events.push(`${request.method} ${request.url}`)
    response.end('{}')
  })
  await new Promise<void>((resolve) => {
    server?.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  const given: PortsWorld = {
    api: {
      portChange: () => undefined,
      inspectPath: (container) => `/inspect/${container}`,
      published: () => ({ pid: 7, ports: [80] }),
    },
    connect: async () => connect({ host: '127.0.0.1', port }),
    look: async () => void events.push('look'),
    forwarded: async () => void events.push('forwarded'),
    listening: async (pid, ports) => void events.push(`listening ${pid} ${ports.join()}`),
    limitMs: 5000,
    log: (line) => events.push(line),
    ...more,
  }
  return {
    events,
    given,
    open: async () => new Promise<number>((resolve) => server?.getConnections((_, n) => resolve(n))),
  }
}

const starts = { container: 'abc', starts: true }
const ends = { container: 'abc', starts: false }

test('a start: the guest looks, the forwards follow, the container listens', async () => {
  const { events, given, open } = await world()
  await settlePorts(starts, given)
  expect([...events].sort()).toEqual(['GET /inspect/abc', 'forwarded', 'listening 7 80', 'look'].sort())
  expect(events.indexOf('forwarded')).toBeGreaterThan(events.indexOf('look'))
  await expect.poll(open).toBe(0)
})

test('an end: nothing is asked of the engine', async () => {
  const { events, given } = await world()
  await settlePorts(ends, given)
  expect(events).toEqual(['look', 'forwarded'])
})

test('a container that publishes nothing is not waited for', async () => {
  const { events, given } = await world()
  await settlePorts(starts, { ...given, api: { ...given.api, published: () => undefined } })
  expect(events).not.toContain('listening 7 80')
})

const silent = () => new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() })

test.each<[string, Partial<PortsWorld>]>([
  ['a guest that does not answer', { look: never }],
  ['a container that never listens', { listening: never }],
  ['forwards that never settle', { forwarded: never }],
  ['no connection to the engine', { connect: () => new Promise(() => undefined) }],
  ['an engine that says nothing', { connect: async () => silent() }],
])('%s delays no longer than the limit', async (_name, more) => {
  const { given } = await world({ ...more, limitMs: 100 })
  const started = performance.now()
  await settlePorts(starts, given)
  const took = performance.now() - started
  expect(took).toBeGreaterThan(90)
  expect(took).toBeLessThan(2000)
})

test.each<[string, Partial<PortsWorld>]>([
  ['the engine is gone', { connect: () => Promise.reject(new Error('broken')) }],
  ['looking fails', { look: () => Promise.reject(new Error('broken')) }],
  [
    'the connection breaks',
    {
      connect: async () => {
        const stream = silent()
        setImmediate(() => stream.destroy(new Error('broken')))
        return stream
      },
    },
  ],
])('%s: it goes on at once, and is said', async (_name, more) => {
  const { events, given } = await world({ ...more, limitMs: 60_000 })
  await settlePorts(starts, given)
  expect(events.find((line) => line.includes('broken'))).toBe('ports of abc: broken')
})

test('what waits is told when the limit is over', async () => {
  const signals: AbortSignal[] = []
  const { given } = await world({
    limitMs: 50,
    look: (signal) => {
      signals.push(signal)
      return never()
    },
    listening: (_pid, _ports, limitMs, signal) => {
      expect(limitMs).toBeLessThanOrEqual(50)
      signals.push(signal)
      return never()
    },
  })
  await settlePorts(starts, given)
  expect(signals.map(({ aborted }) => aborted)).toEqual([true, true])
})
