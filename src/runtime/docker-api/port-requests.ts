import type { PortChange } from '../engine.ts'

// Docker Engine API, "Containers"; podman's own API puts /libpod before it.
const act = /^(?:\/v\d+(?:\.\d+)*)?(?:\/libpod)?\/containers\/([^/?]+)\/(start|restart|stop|kill)(?:\?.*)?$/
const remove = /^(?:\/v\d+(?:\.\d+)*)?(?:\/libpod)?\/containers\/([^/?]+)(?:\?.*)?$/

/** What a request of docker's API does to published ports by the time it is answered, if anything. Pure. */
export function portChange(method: string, target: string): PortChange | undefined {
  if (method === 'DELETE') {
    const [, container] = remove.exec(target) ?? []
    return container === undefined ? undefined : { container, starts: false }
  }
  if (method !== 'POST') return undefined
  const [, container, what] = act.exec(target) ?? []
  if (container === undefined) return undefined
  return { container, starts: what === 'start' || what === 'restart' }
}
