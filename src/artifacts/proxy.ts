import http from 'node:http'
import type { Duplex } from 'node:stream'
import tls from 'node:tls'
import { TcolimaError } from '../host/errors.ts'

// Milliseconds for the proxy to open the way.
const connectLimitMs = 30_000

/**
 * The proxy for a URL by the variables that curl and others know: `https_proxy`, `http_proxy`, `all_proxy`, `no_proxy`,
 * also in capitals. Undefined where there is none. Throws `usage` for one that is no http URL. Pure.
 */
export function proxyFor(url: URL, env: NodeJS.ProcessEnv): URL | undefined {
  const variable = (name: string) => env[name] || env[name.toUpperCase()] || undefined
  const text = variable(`${url.protocol.slice(0, -1)}_proxy`) ?? variable('all_proxy')
  if (text === undefined || isExcepted(url.hostname, variable('no_proxy') ?? '')) return undefined
  const proxy = URL.canParse(text) ? new URL(text) : new URL(`http://${text}`)
  if (proxy.protocol === 'http:') return proxy
  throw new TcolimaError('usage', `the proxy ${text} cannot be used: only http:// ones can`)
}

/** `localhost,.example.com,10.0.0.1`, or `*` for all: a name stands for itself and what is below it. */
function isExcepted(host: string, list: string): boolean {
  const name = host.replace(/^\[|\]$/g, '')
  return list
    .split(/[\s,]+/)
    .map((each) => each.replace(/^\*?\./, '').replace(/:\d+$/, ''))
    .some((each) => each === '*' || (each !== '' && (name === each || name.endsWith(`.${each}`))))
}

/**
 * Has a proxy open the way to a URL's host (CONNECT, RFC 9110, section 9.3.6), also for plain HTTP; gives the options of
 * `request` that go this way. Throws `failed` when the proxy does not.
 */
export async function throughProxy(
  url: URL,
  proxy: URL,
  signal: AbortSignal | undefined,
): Promise<{ createConnection: () => Duplex }> {
  const secure = url.protocol === 'https:'
  const target = `${url.hostname}:${url.port || (secure ? 443 : 80)}`
  const socket = await new Promise<Duplex>((resolve, reject) => {
    const fail = (reason: string) =>
      reject(new TcolimaError('failed', `the proxy ${proxy.host} does not open ${target}: ${reason}`))
    const credentials = decodeURIComponent(`${proxy.username}:${proxy.password}`)
    const asked = http.request(proxy, {
      method: 'CONNECT',
      path: target,
      headers: {
        host: target,
        ...(proxy.username === ''
          ? {}
          : { 'proxy-authorization': `Basic ${Buffer.from(credentials).toString('base64')}` }),
      },
      timeout: connectLimitMs,
      ...(signal ? { signal } : {}),
    })
    asked.on('connect', ({ statusCode }, socket) => {
      if (statusCode === 200) resolve(socket)
      else {
        socket.destroy()
        fail(`status ${statusCode}`)
      }
    })
    asked.on('timeout', () => asked.destroy(new Error('no answer')))
    asked.on('error', (error) => fail(error.message))
    asked.end()
  })
  return {
    createConnection: () => (secure ? tls.connect({ socket, servername: url.hostname }) : socket),
  }
}
