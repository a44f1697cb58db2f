import { request } from 'node:https'
import type { ClusterAccess } from './kubeconfig-text.ts'

/** What an API server answered. */
export interface ApiAnswer {
  status: number
  body: string
}

// Milliseconds; software emulation takes its time.
const answerMs = 30_000
const longestBody = 8 * 2 ** 20

/** Asks the API server of a cluster for something. Throws when it does not answer, or is not the cluster's. */
export async function askApi(access: ClusterAccess, target: string, signal: AbortSignal): Promise<ApiAnswer> {
  const pem = (base64: string) => Buffer.from(base64, 'base64')
  return await new Promise((resolve, reject) => {
    const asked = request(
      new URL(target, access.server),
      {
        ca: pem(access.certificateAuthority),
        cert: pem(access.clientCertificate),
        key: pem(access.clientKey),
        agent: false,
        signal,
        timeout: answerMs,
      },
      (response) => {
        let body = ''
        response.setEncoding('utf8')
        response.on('data', (text: string) => {
          body += text
          if (body.length > longestBody) asked.destroy(new Error('its answer is too long'))
        })
        response.on('error', reject)
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body }))
      },
    )
    asked.on('timeout', () => asked.destroy(new Error(`no answer within ${answerMs / 1000} s`)))
    asked.on('error', reject)
    asked.end()
  })
}
