import { request } from 'node:http'
import { TcolimaError } from '../../host/errors.ts'

/**
 * Asks an engine over its socket on the host whether it answers (Docker Engine API, "Ping"). Throws `failed` when it does
 * not, `cancelled` on abort.
 */
export async function ping(socketPath: string, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const asked = request({ socketPath, path: '/_ping', signal, timeout: 60_000 }, (response) => {
      response.resume()
      response.on('end', () => {
        if (response.statusCode === 200) resolve()
        else reject(new TcolimaError('failed', `the engine answers with status ${response.statusCode}`))
      })
    })
    asked.on('timeout', () => asked.destroy(new Error('no answer within 60 s')))
    asked.on('error', (error) =>
      reject(
        signal.aborted
          ? TcolimaError.from(signal.reason)
          : new TcolimaError('failed', `the engine does not answer on ${socketPath}: ${error.message}`, {
              cause: error,
            }),
      ),
    )
    asked.end()
  })
}
