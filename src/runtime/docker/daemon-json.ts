import type { EngineSettings } from '../engine.ts'

// dockerd's reference, "Daemon configuration file".
const defaults = {
  // Containers reach services of the host by host.docker.internal: QEMU's user network shows the host there.
  'host-gateway-ip': '10.0.2.2',
}

// runc is docker's own; others it has to be told of.
const crun = { 'default-runtime': 'crun', runtimes: { crun: { path: '/usr/bin/crun' } } }

/** The text of daemon.json: our defaults with the user's keys merged in, which win. Pure. */
export function daemonJson({ docker, ociRuntime }: EngineSettings): string {
  const base = ociRuntime === 'crun' ? { ...defaults, ...crun } : defaults
  return `${JSON.stringify(merge(base, docker), undefined, 2)}\n`
}

function merge(base: Record<string, unknown>, over: Record<string, unknown>): Record<string, unknown> {
  const merged = { ...base }
  for (const [key, value] of Object.entries(over)) {
    const below = merged[key]
    merged[key] = isMap(below) && isMap(value) ? merge(below, value) : value
  }
  return merged
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
