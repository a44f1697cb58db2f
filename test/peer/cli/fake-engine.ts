import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { buffer } from 'node:stream/consumers'

/** A volume as an engine has it; what is in it is an archive. */
export interface FakeVolume {
  driver?: string
  options?: Record<string, string>
  labels?: Record<string, string>
  content: string
}

/** What is to be made: a volume, or a container. */
interface Wanted {
  Name: string
  Labels: Record<string, string>
  Image: string
  HostConfig: { Mounts: { Source: string }[] }
}

interface FakeContainer {
  volume?: string
  running: boolean
}

/** An engine that has volumes, and containers for them; see Docker's Engine API for what it plays. */
export interface FakeEngine {
  server: Server
  volumes: Map<string, FakeVolume>
  containers: Map<string, FakeContainer>
  images: Set<string>
  /** Requests that came, as `METHOD path`. */
  requests: string[]
  /** Called before each is answered; it may never come back. */
  before: (request: string) => Promise<void> | void
}

/** Listens at a path. */
export async function fakeEngine(
  socket: string,
  volumes: Record<string, FakeVolume> = {},
): Promise<FakeEngine> {
  const engine: FakeEngine = {
    server: createServer((asked, answer) => {
      asked.on('error', () => undefined)
      void answered(engine, asked, answer).catch((error: unknown) =>
        say(answer, 500, { message: String(error) }),
      )
    }),
    volumes: new Map(Object.entries(volumes)),
    containers: new Map(),
    images: new Set(),
    requests: [],
    before: () => undefined,
  }
  await new Promise<void>((resolve) => {
    engine.server.listen(socket, resolve)
  })
  return engine
}

async function answered(engine: FakeEngine, asked: IncomingMessage, answer: ServerResponse): Promise<void> {
  const { pathname, searchParams } = new URL(asked.url ?? '', 'http://engine')
  const { method = '' } = asked
  engine.requests.push(`${method} ${pathname}`)
  await engine.before(`${method} ${pathname}`)
  const [, kind = '', name = '', part = ''] = pathname.split('/')
  const body = await buffer(asked)
  const json = () => JSON.parse(body.toString()) as Wanted
  const { volumes, containers, images } = engine
  switch (`${method} ${kind} ${part || name.replace(/^(?!create|json).+/, 'NAME')}`) {
    case 'GET volumes ':
      return say(answer, 200, {
        Volumes: [...volumes].map(([Name, { driver = 'local', labels = null, options = null }]) => ({
          ...{ Name, Driver: driver, Labels: labels, Options: options },
        })),
      })
    case 'POST volumes create': {
      const { Name, Labels } = json()
      if (!volumes.has(Name)) volumes.set(Name, { content: '', labels: Labels })
      return say(answer, 201, {})
    }
    case 'DELETE volumes NAME':
      if ([...containers.values()].some(({ volume }) => volume === name)) {
        return say(answer, 409, { message: 'volume is in use' })
      }
      return say(answer, volumes.delete(name) ? 204 : 404)
    case 'GET containers json': {
      const filters = JSON.parse(searchParams.get('filters') ?? '{}') as Record<string, string[]>
      const found = [...containers].filter(
        ([each, { volume, running }]) =>
          (filters.name ?? [each]).some((text) => each.includes(text)) &&
          (filters.volume === undefined || filters.volume.some((text) => text === volume)) &&
          (filters.status === undefined || running),
      )
      return say(
        answer,
        200,
        found.map(([each]) => ({ Names: [`/${each}`] })),
      )
    }
    case 'POST containers create': {
      const { Image, HostConfig } = json()
      const made = searchParams.get('name') ?? ''
      if (!images.has(Image)) return say(answer, 404, { message: `No such image: ${Image}` })
      if (containers.has(made)) return say(answer, 409, { message: 'the name is in use' })
      const volume = HostConfig.Mounts[0]?.Source
      containers.set(made, { running: false, ...(volume === undefined ? {} : { volume }) })
      return say(answer, 201, {})
    }
    case 'DELETE containers NAME':
      return say(answer, containers.delete(name) ? 204 : 404)
    case 'GET containers archive': {
      answer.writeHead(200, { 'content-type': 'application/x-tar' })
      const { content = '' } = volumes.get(containers.get(name)?.volume ?? '') ?? {}
      // In two parts: between them whoever reads may go away, or this end.
      answer.write(content.slice(0, content.length / 2))
      await engine.before('in the middle of an archive')
      answer.end(content.slice(content.length / 2))
      return
    }
    case 'PUT containers archive': {
      const volume = volumes.get(containers.get(name)?.volume ?? '')
      if (!volume) return say(answer, 404, { message: 'no such container' })
      volume.content += body.toString()
      return say(answer, 200)
    }
    case 'POST images create':
      if (images.size > 0) return say(answer, 500, { message: 'the former one would have no name' })
      images.add(`${searchParams.get('repo')}:${searchParams.get('tag')}`)
      return say(answer, 200, { status: 'done' })
    case 'GET images json':
      return images.has(name) ? say(answer, 200, {}) : say(answer, 404, { message: 'No such image' })
    case 'DELETE images NAME':
      return say(answer, images.delete(name) ? 200 : 404, [])
    default:
      return say(answer, 404, { message: `what is ${method} ${pathname}?` })
  }
}

function say(answer: ServerResponse, status: number, body?: unknown): void {
  answer.writeHead(status, { 'content-type': 'application/json' })
  answer.end(body === undefined ? undefined : JSON.stringify(body))
}
