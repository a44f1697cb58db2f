import { createReadStream } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import type { Duplex } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { TcolimaError } from '../../host/errors.ts'

/** Opens a connection to the docker engine. */
export type Connect = () => Promise<Duplex>

interface Asked {
  method?: 'GET' | 'POST' | 'DELETE'
  path: string
  /** A file to send. */
  file?: string
  onBytes?: (count: number) => void
}

const longestAnswer = 32 * 2 ** 20

/** Whether the engine has all these images (Docker Engine API, "Inspect an image"). */
export async function hasImages(
  connect: Connect,
  names: readonly string[],
  signal: AbortSignal,
): Promise<boolean> {
  for (const name of names) {
    const { status } = await ask(connect, { path: `/images/${encodeURI(name)}/json` }, signal)
    if (status === 404) return false
    if (status !== 200) throw refused('the engine does not tell of its images', status)
  }
  return names.length > 0
}

/** Gives the engine the images of an archive ("Import images"); gives their names. Throws `failed` when it takes them not. */
export async function loadImages(
  connect: Connect,
  file: string,
  onBytes: (count: number) => void,
  signal: AbortSignal,
): Promise<string[]> {
  const { status, body } = await ask(
    connect,
    { method: 'POST', path: '/images/load?quiet=1', file, onBytes },
    signal,
  )
  const lines = body.split('\n').filter((line) => line.trim() !== '')
  const told = lines.map((line) => JSON.parse(line) as { stream?: string; error?: string; message?: string })
  const error = told.map((each) => each.error ?? each.message).find((each) => each !== undefined)
  if (status !== 200 || error !== undefined)
    throw refused('the engine does not take the images of k3s', status, error)
  return told.flatMap(({ stream = '' }) => /^Loaded image: (\S+)/.exec(stream)?.[1] ?? [])
}

/** Removes the containers of pods, whatever they do ("List containers", "Remove a container"). */
export async function removePods(connect: Connect, signal: AbortSignal): Promise<void> {
  const filters = encodeURIComponent(JSON.stringify({ label: ['io.kubernetes.pod.uid'] }))
  const { status, body } = await ask(connect, { path: `/containers/json?all=1&filters=${filters}` }, signal)
  if (status !== 200) throw refused('the engine does not tell of its containers', status)
  for (const { Id: id } of JSON.parse(body) as { Id: string }[]) {
    const removed = await ask(connect, { method: 'DELETE', path: `/containers/${id}?force=1&v=1` }, signal)
    // Gone already, or on its way.
    if (removed.status >= 400 && removed.status !== 404 && removed.status !== 409) {
      throw refused(`the engine does not remove the container ${id}`, removed.status)
    }
  }
}

async function ask(
  connect: Connect,
  { method = 'GET', path, file, onBytes }: Asked,
  signal: AbortSignal,
): Promise<{ status: number; body: string }> {
  const stream = await connect()
  const asked = request({
    method,
    path,
    host: 'docker',
    createConnection: () => stream,
    headers: { connection: 'close', ...(file === undefined ? {} : { 'content-type': 'application/x-tar' }) },
    signal,
  })
  const answer = new Promise<IncomingMessage>((resolve, reject) => {
    asked.on('response', resolve)
    asked.on('error', reject)
  })
  if (file === undefined) asked.end()
  else {
    const source = createReadStream(file, { highWaterMark: 256 * 1024 })
    let count = 0
    source.on('data', (bytes) => onBytes?.((count += bytes.length)))
    // An engine that refuses may answer before it has read all.
    await Promise.race([pipeline(source, asked), answer])
  }
  const response = await answer
  let body = ''
  response.setEncoding('utf8')
  for await (const text of response as AsyncIterable<string>) {
    body += text
    if (body.length > longestAnswer) throw new TcolimaError('failed', 'the answer of the engine is too long')
  }
  stream.destroy()
  return { status: response.statusCode ?? 0, body }
}

function refused(what: string, status: number, why?: string): TcolimaError {
  return new TcolimaError('failed', `${what}: ${why ?? `status ${status}`}`)
}
