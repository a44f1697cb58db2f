import type { Published } from '../engine.ts'

/**
 * Reads what docker tells of a container (Docker Engine API, "Inspect a container") for the TCP ports of it that are
 * published, and the process whose network they are in. Gives undefined when it does not run or publishes none. Pure.
 */
export function publishedPorts(answer: string): Published | undefined {
  let value: unknown
  try {
    value = JSON.parse(answer)
  } catch {
    return undefined
  }
  const pid = below(below(value, 'State'), 'Pid')
  const bindings = below(below(value, 'NetworkSettings'), 'Ports')
  if (!isNumber(pid) || typeof bindings !== 'object' || bindings === null) return undefined
  // { "80/tcp": [{ "HostIp": "0.0.0.0", "HostPort": "8080" }], "81/tcp": null }
  const ports = Object.entries(bindings).flatMap(([name, hosts]) => {
    const [, port] = /^(\d{1,5})\/tcp$/.exec(name) ?? []
    return port !== undefined && Array.isArray(hosts) && hosts.length > 0 ? [Number(port)] : []
  })
  return ports.length === 0 ? undefined : { pid, ports }
}

function below(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value > 0
}
