import { request } from 'node:http'
import type { Duplex } from 'node:stream'
import { messageOf, TcolimaError } from '../host/errors.ts'
import type { ContainerApi, PortChange, Published } from '../runtime/engine.ts'

/** What settling needs of the machine. */
export interface PortsWorld {
  api: ContainerApi
  /** A new connection to the engine's socket in the guest. */
  connect: () => Promise<Duplex>
  /** The guest looks what listens, and tells. */
  look: (signal: AbortSignal) => Promise<void>
  /** The forwards follow what was told. */
  forwarded: () => Promise<void>
  /** Resolves when these ports listen in a process's network, or never will. */
  listening: (pid: number, ports: number[], limitMs: number, signal: AbortSignal) => Promise<void>
  /** Milliseconds for all of it. */
  limitMs: number
  log: (line: string) => void
}

// No engine tells more than this of a container.
const longestAnswer = 16 * 2 ** 20

/**
 * Waits, for `limitMs` at most, until the host's ports are what a request made of them: ports that went are gone, those
 * that came lead into the container, and something in it listens. Never throws.
 */
export async function settlePorts(change: PortChange, world: PortsWorld): Promise<void> {
  const stop = new AbortController()
  const { signal } = stop
  const limit = new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, world.limitMs)
    signal.addEventListener('abort', () => clearTimeout(timer), { once: true })
  })
  const work = Promise.all([
    world.look(signal).then(() => world.forwarded()),
    change.starts ? waitForListeners(change.container, world, signal) : undefined,
  ])
  try {
    await Promise.race([work, limit])
  } catch (error) {
    world.log(`ports of ${change.container}: ${messageOf(error)}`)
  } finally {
    stop.abort()
    work.catch(() => undefined)
  }
}

async function waitForListeners(container: string, world: PortsWorld, signal: AbortSignal): Promise<void> {
  const started = performance.now()
  const published = await inspect(container, world, signal)
  if (!published) return
  const left = world.limitMs - (performance.now() - started)
  await world.listening(published.pid, published.ports, Math.max(left, 0), signal)
}

async function inspect(
  container: string,
  world: PortsWorld,
  signal: AbortSignal,
): Promise<Published | undefined> {
  const stream = await world.connect()
  if (signal.aborted) {
    stream.destroy()
    return undefined
  }
  return await new Promise<Published | undefined>((resolve, reject) => {
    const asked = request(
      {
        createConnection: () => stream,
        path: world.api.inspectPath(container),
        headers: { host: 'engine', connection: 'close' },
        signal,
      },
      (answer) => {
        let text = ''
        answer.setEncoding('utf8')
        answer.on('data', (part: string) => {
          text += part
          if (text.length > longestAnswer)
            asked.destroy(new TcolimaError('failed', 'the answer does not end'))
        })
        answer.on('end', () => resolve(answer.statusCode === 200 ? world.api.published(text) : undefined))
        answer.on('error', reject)
      },
    )
    asked.on('error', reject)
    // Also after its end, or the channel stays open.
    asked.on('close', () => stream.destroy())
    asked.end()
  })
}
