import { connect, constants } from 'node:http2'
import { createConnection } from 'node:net'
import { TcolimaError } from '../../host/errors.ts'

// gRPC over HTTP/2 ("gRPC over HTTP2" in its documentation): a message is a flag, its length in four bytes, and its text;
// that of an Empty has none.
const emptyMessage = Buffer.alloc(5)
const limitMs = 60_000

/**
 * Asks containerd over its socket on the host for its version (containerd's api/services/version/v1). Throws `failed` when
 * it does not answer, `cancelled` on abort.
 */
export async function ping(socketPath: string, signal: AbortSignal): Promise<void> {
  const session = connect('http://localhost', { createConnection: () => createConnection(socketPath) })
  try {
    await new Promise<void>((resolve, reject) => {
      const fail = (reason: string) =>
        reject(new TcolimaError('failed', `containerd does not answer on ${socketPath}: ${reason}`))
      session.on('error', (error) => fail(error.message))
      signal.addEventListener('abort', () => reject(TcolimaError.from(signal.reason)), { once: true })
      const asked = session.request({
        [constants.HTTP2_HEADER_METHOD]: 'POST',
        [constants.HTTP2_HEADER_PATH]: '/containerd.services.version.v1.Version/Version',
        [constants.HTTP2_HEADER_CONTENT_TYPE]: 'application/grpc',
        [constants.HTTP2_HEADER_TE]: 'trailers',
      })
      // Of an answer that is an error alone the status comes with the head.
      const judge = (fields: Record<string, number | string | string[] | undefined>) => {
        const status = fields['grpc-status']
        if (status === undefined) return
        if (status === '0') resolve()
        else fail(`status ${String(status)}`)
      }
      asked.on('response', judge)
      asked.on('trailers', judge)
      asked.on('error', (error) => fail(error.message))
      asked.on('close', () => fail('the connection was closed'))
      asked.setTimeout(limitMs, () => fail(`no answer within ${limitMs / 1000} s`))
      asked.resume()
      asked.end(emptyMessage)
    })
  } finally {
    session.destroy()
  }
}
