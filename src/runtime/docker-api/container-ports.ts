import { request } from 'node:http'
import { TcolimaError } from '../../host/errors.ts'
import type { ContainerPort } from '../engine.ts'

// Bytes; thousands of containers with many ports each.
const longestAnswer = 32 * 2 ** 20

/**
 * Asks the docker engine at a socket of the host for the ports that running containers have published (Docker Engine API,
 * "List containers"). Throws `failed` when it does not answer.
 */
export async function containerPorts(socketPath: string, signal: AbortSignal): Promise<ContainerPort[]> {
  return parseContainerPorts(await get(socketPath, signal))
}

/** Reads the engine's answer; what has no public port is left out. Pure. */
export function parseContainerPorts(answer: unknown): ContainerPort[] {
  if (!Array.isArray(answer)) return []
  return answer.flatMap((container: unknown) => {
    const { Names: names, Ports: ports } = container as { Names?: unknown; Ports?: unknown }
    const name = Array.isArray(names) && typeof names[0] === 'string' ? names[0].replace(/^\//, '') : ''
    if (name === '' || !Array.isArray(ports)) return []
    return ports.flatMap((entry: unknown) => {
      const { PublicPort: port, Type: proto } = entry as { PublicPort?: unknown; Type?: unknown }
      if (typeof port !== 'number' || (proto !== 'tcp' && proto !== 'udp')) return []
      return [{ proto, port, container: name }]
    })
  })
}

async function get(socketPath: string, signal: AbortSignal): Promise<unknown> {
  const text = await new Promise<string>((resolve, reject) => {
    const asked = request({ socketPath, path: '/containers/json', signal }, (response) => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        body += chunk
        if (body.length > longestAnswer) asked.destroy(new Error('the answer is too long'))
      })
      response.on('error', reject)
      response.on('end', () => {
        if (response.statusCode === 200) resolve(body)
        else reject(new TcolimaError('failed', `the engine answers with status ${response.statusCode}`))
      })
    })
    asked.on('error', reject)
    asked.end()
  })
  return JSON.parse(text)
}
