import http from 'node:http'
import https from 'node:https'
import type { Readable } from 'node:stream'
import { TcolimaError } from '../host/errors.ts'
import { proxyFor, throughProxy } from './proxy.ts'

/** A file that is being read. */
export interface Opened {
  stream: Readable
  /** Where in the file the stream begins. */
  from: number
  /** Bytes of the whole file, where they are known. */
  size?: number | undefined
}

/** How to ask. */
export interface HttpOptions {
  /** Where to begin, when the server can. */
  from: number
  env: NodeJS.ProcessEnv
  signal?: AbortSignal | undefined
}

// Milliseconds without a byte, and redirects on the way to a file.
const silenceMs = 60_000
const mostRedirects = 8

/**
 * Asks for a file, from an offset where the server can (RFC 9110, section 14), through the proxy that the environment
 * names. Gives undefined when there is no such file. Throws `failed` for any other answer than the file.
 */
export async function openUrl(url: URL, options: HttpOptions): Promise<Opened | undefined> {
  let at = url
  for (let redirects = 0; redirects <= mostRedirects; redirects++) {
    const answer = await ask(at, options)
    const { statusCode: status = 0, headers } = answer
    if (status >= 300 && status < 400 && headers.location !== undefined) {
      answer.destroy()
      const next = new URL(headers.location, at)
      if (at.protocol === 'https:' && next.protocol !== 'https:') {
        throw new TcolimaError(
          'failed',
          `${at.host} leads away from HTTPS, to ${next.protocol}//${next.host}`,
        )
      }
      at = next
      continue
    }
    if (status === 200) return { stream: answer, from: 0, size: length(headers) }
    const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers['content-range'] ?? '')
    if (status === 206 && Number(range?.[1]) === options.from) {
      return { stream: answer, from: options.from, size: range?.[2] === '*' ? undefined : Number(range?.[2]) }
    }
    answer.destroy()
    if (status === 404 || status === 410) return undefined
    // What is here already is longer than the file there.
    if ((status === 416 || status === 206) && options.from > 0)
      return await openUrl(url, { ...options, from: 0 })
    throw new TcolimaError('failed', `${at.href} answers with status ${status}`)
  }
  throw new TcolimaError('failed', `${url.href} leads in circles`)
}

function length(headers: http.IncomingHttpHeaders): number | undefined {
  const text = headers['content-length']
  return text === undefined ? undefined : Number(text)
}

async function ask(url: URL, { from, env, signal }: HttpOptions): Promise<http.IncomingMessage> {
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new TcolimaError('failed', `${url.protocol} is no protocol to fetch files over`)
  }
  const proxy = proxyFor(url, env)
  const headers = {
    'user-agent': 'tcolima',
    'accept-encoding': 'identity',
    ...(from > 0 ? { range: `bytes=${from}-` } : {}),
  }
  const way = proxy ? await throughProxy(url, proxy, signal) : {}
  return await new Promise((resolve, reject) => {
    const { request } = url.protocol === 'https:' ? https : http
    const asked = request(url, { headers, timeout: silenceMs, ...(signal ? { signal } : {}), ...way })
    asked.on('response', resolve)
    asked.on('timeout', () => asked.destroy(new Error(`no byte for ${silenceMs / 1000} s`)))
    asked.on('error', (error) => reject(unreachable(url, error, signal)))
    asked.end()
  })
}

function unreachable(url: URL, error: Error, signal: AbortSignal | undefined): TcolimaError {
  if (signal?.aborted) return new TcolimaError('cancelled', 'the download was cancelled', { cause: error })
  return new TcolimaError('host', `${url.host} cannot be reached: ${error.message || String(error)}`, {
    hint: 'Check the network and the proxy settings (https_proxy), or name a mirror: --mirror URL or folder.',
    cause: error,
  })
}
