import { type IncomingMessage, request } from 'node:http'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { messageOf, TcolimaError } from '../../host/errors.ts'

/** A request to an engine's API. */
export interface EngineRequest {
  method?: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** With its query. */
  path: string
  /** Sent as JSON. */
  body?: unknown
  /** A tar archive that is sent. */
  archive?: Readable
  /** Statuses beside those below 300 that are no failure. */
  allow?: readonly number[]
}

// Milliseconds without a byte either way: what an engine does before it answers can take long on a slow disk.
const silenceMs = 10 * 60_000
const longestAnswer = 32 * 2 ** 20

/**
 * Asks a docker engine over its socket (Docker Engine API, "Versioning": without a version it is the engine's own) and gives
 * what it answers; undefined for no content. Throws `failed` with the engine's words, `cancelled` on abort.
 */
export async function askEngine(
  socket: string,
  wanted: EngineRequest,
  signal: AbortSignal,
): Promise<unknown> {
  const response = await openEngine(socket, wanted, signal)
  const text = await textOf(response)
  return text.trim() === '' || response.statusCode === 404 ? undefined : (JSON.parse(text) as unknown)
}

/** As `askEngine`, and gives the answer as it comes. */
export async function openEngine(
  socket: string,
  { method = 'GET', path, body, archive, allow = [] }: EngineRequest,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const type = archive ? 'application/x-tar' : body === undefined ? undefined : 'application/json'
  const asked = request({
    socketPath: socket,
    method,
    path,
    signal,
    timeout: silenceMs,
    headers: type === undefined ? {} : { 'content-type': type },
  })
  asked.on('timeout', () => asked.destroy(new Error(`no answer within ${silenceMs / 60_000} minutes`)))
  try {
    const answer = new Promise<IncomingMessage>((resolve, reject) => {
      asked.on('response', resolve)
      asked.on('error', reject)
    })
    answer.catch(() => undefined)
    if (archive) {
      // One that refuses answers before it has read all; what cannot be read to its end is not sent as if it were all.
      await Promise.race([pipeline(archive, asked), answer])
    } else asked.end(body === undefined ? undefined : JSON.stringify(body))
    const response = await answer
    const status = response.statusCode ?? 0
    if (status < 300 || allow.includes(status)) return response
    throw new Error(wordsOf(await textOf(response)) ?? `status ${status}`)
  } catch (error) {
    asked.destroy()
    if (signal.aborted) throw TcolimaError.from(signal.reason)
    throw new TcolimaError('failed', `docker (${method} ${path.replace(/\?.*/, '')}): ${messageOf(error)}`, {
      cause: error,
    })
  }
}

async function textOf(response: IncomingMessage): Promise<string> {
  response.setEncoding('utf8')
  let text = ''
  for await (const part of response as AsyncIterable<string>) {
    text += part
    if (text.length > longestAnswer) throw new TcolimaError('failed', 'the answer of docker is too long')
  }
  return text
}

function wordsOf(text: string): string | undefined {
  try {
    const { message } = JSON.parse(text) as { message?: unknown }
    return typeof message === 'string' ? message : undefined
  } catch {
    return undefined
  }
}
