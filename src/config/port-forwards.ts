import { isIP } from 'node:net'
import { shown } from './checked.ts'
import { absolutePath } from './paths.ts'

/** A rule for ports or sockets, all settled. The names are Lima's. */
export interface PortForward {
  /** Sockets are `tcp`: streams. */
  proto: 'tcp' | 'udp' | 'any'
  guestIP: string
  /** Whether only a listener on all addresses matches `guestIP: 0.0.0.0`. */
  guestIPMustBeZero: boolean
  /** The first and the last; no ports with a socket. */
  guestPorts?: [number, number]
  guestSocket?: string
  hostIP: string
  /** As many as the guest's, or one for a socket. */
  hostPorts?: [number, number]
  /** Absolute, or relative to the folder of the instance. */
  hostSocket?: string
  ignore: boolean
  /** The guest gets what the host has. */
  reverse: boolean
  /** Whether it is there without a listener. */
  static: boolean
}

/** A rule as the file has it; what is null or absent has a default. */
export type PortForwardEntry = {
  [Key in keyof Fields]?: Fields[Key] | null | undefined
}

interface Fields {
  guestIP: string
  guestIPMustBeZero: boolean
  guestPort: number
  guestPortRange: [number, number]
  guestSocket: string
  hostIP: string
  hostPort: number
  hostPortRange: [number, number]
  hostSocket: string
  proto: 'tcp' | 'udp' | 'any'
  ignore: boolean
  reverse: boolean
  static: boolean
}

/** What is wrong with a rule: with which of its keys, and how, as the end of a sentence that begins with the key. */
export interface PortForwardProblem {
  key: keyof Fields | undefined
  problem: string
}

const loopback = '127.0.0.1'
// What lies in the folder of an instance already.
const ownSockets = /^(?:agent|qmp|guest|names|docker|podman|containerd|buildkitd|mount\.\d+)\.sock$/
const everything: [number, number] = [1, 65_535]

/**
 * Takes a rule as written and the user's home folder; gives it settled, with Lima's defaults (its `default.yaml`,
 * "portForwards"), or what is wrong with it. Pure.
 */
export function resolvePortForward(
  entry: PortForwardEntry,
  home: string,
): { ok: true; value: PortForward } | ({ ok: false } & PortForwardProblem) {
  const problem = firstProblem(entry, home)
  if (problem) return { ok: false, ...problem }
  const { guestSocket, hostSocket } = entry
  const sockets = isSet(guestSocket) || isSet(hostSocket)
  const reverse = entry.reverse ?? false
  const given = {
    guest: portsOf(entry.guestPort, entry.guestPortRange),
    host: portsOf(entry.hostPort, entry.hostPortRange),
  }
  const guest = isSet(guestSocket)
    ? undefined
    : (given.guest ?? (reverse ? given.host : undefined) ?? everything)
  const host = isSet(hostSocket) ? undefined : (given.host ?? guest)
  const guestIP = usualForm(entry.guestIP) ?? (entry.guestIPMustBeZero ? '0.0.0.0' : loopback)
  return {
    ok: true,
    value: {
      proto: sockets || reverse ? 'tcp' : (entry.proto ?? 'any'),
      guestIP,
      guestIPMustBeZero: entry.guestIPMustBeZero ?? guestIP === '0.0.0.0',
      ...(guest ? { guestPorts: guest } : {}),
      ...(isSet(guestSocket) ? { guestSocket } : {}),
      hostIP: usualForm(entry.hostIP) ?? loopback,
      ...(host ? { hostPorts: host } : {}),
      ...(isSet(hostSocket) ? { hostSocket: absolutePath(hostSocket, home) ?? hostSocket } : {}),
      ignore: entry.ignore ?? false,
      reverse,
      static: entry.static ?? false,
    },
  }
}

function firstProblem(entry: PortForwardEntry, home: string): PortForwardProblem | undefined {
  for (const check of [portProblem, addressProblem, socketProblem, kindProblem]) {
    const problem = check(entry, home)
    if (problem) return problem
  }
  return undefined
}

function portProblem(entry: PortForwardEntry): PortForwardProblem | undefined {
  for (const end of ['guest', 'host'] as const) {
    const range = entry[`${end}PortRange`]
    if (!range) continue
    if (isSet(entry[`${end}Port`])) {
      return { key: `${end}PortRange`, problem: `cannot stand beside ${end}Port: one of them is enough` }
    }
    if (range[0] > range[1])
      return { key: `${end}PortRange`, problem: `must begin with its lower port, not ${shown(range)}` }
  }
  const guest = portsOf(entry.guestPort, entry.guestPortRange)
  const host = portsOf(entry.hostPort, entry.hostPortRange)
  const key = isSet(entry.hostPort) ? 'hostPort' : 'hostPortRange'
  if (isSet(entry.guestSocket)) {
    return host && count(host) > 1 ? { key, problem: 'must be one port for guestSocket' } : undefined
  }
  if (!host || isSet(entry.hostSocket)) return undefined
  if (!guest && !entry.reverse) return { key, problem: 'needs guestPort or guestPortRange' }
  if (guest && count(guest) !== count(host)) {
    return { key, problem: `must have as many ports as the guest's: ${count(guest)}, not ${count(host)}` }
  }
  return undefined
}

function addressProblem({
  guestIP,
  hostIP,
  guestIPMustBeZero,
  reverse,
}: PortForwardEntry): PortForwardProblem | undefined {
  for (const [key, ip] of [
    ['guestIP', guestIP],
    ['hostIP', hostIP],
  ] as const) {
    // A zone (`fe80::1%eth0`) names a card of one machine.
    if (isSet(ip) && (isIP(ip) === 0 || ip.includes('%'))) {
      return { key, problem: `must be an IP address, such as 127.0.0.1 or ::1, not ${shown(ip)}` }
    }
  }
  if (guestIPMustBeZero && isSet(guestIP) && guestIP !== '0.0.0.0') {
    return {
      key: 'guestIPMustBeZero',
      problem: `can only be true when guestIP is 0.0.0.0, not ${shown(guestIP)}`,
    }
  }
  // The guest's sshd opens no others (sshd_config(5), GatewayPorts).
  if (reverse && isSet(guestIP) && guestIP !== loopback && guestIP !== '::1') {
    return { key: 'guestIP', problem: 'must be 127.0.0.1 or ::1 with reverse' }
  }
  return undefined
}

function socketProblem(entry: PortForwardEntry, home: string): PortForwardProblem | undefined {
  for (const end of ['guest', 'host'] as const) {
    const key = `${end}Socket` as const
    const socket = entry[key]
    if (!isSet(socket)) continue
    const beside = ([`${end}Port`, `${end}PortRange`, `${end}IP`] as const).find((other) =>
      isSet(entry[other]),
    )
    if (beside) return { key, problem: `cannot stand beside ${beside}: it is one or the other` }
    if (socket === '' || /[\p{Cc}]/u.test(socket) || socket.endsWith('/')) {
      return { key, problem: `must be the path of a socket, not ${shown(socket)}` }
    }
    if (socket.includes('{{')) {
      return {
        key,
        problem: `knows no variables: ${end === 'host' ? 'write ~ for your home folder, and a relative path for the folder of the instance' : 'write the path in full'}`,
      }
    }
    if (end === 'guest' && !socket.startsWith('/'))
      return { key, problem: `must be an absolute path in the guest, not ${shown(socket)}` }
    if (end === 'host' && ownSockets.test(socket)) {
      return { key, problem: `must be another name: ${socket} is one of tcolima's own in that folder` }
    }
    if (end === 'host' && socket.startsWith('~') && !absolutePath(socket, home)) {
      return { key, problem: `must not begin with the home folder of another user: ${shown(socket)}` }
    }
  }
  const { guestSocket, hostSocket, proto } = entry
  if (!isSet(guestSocket) && !isSet(hostSocket)) return undefined
  const key = isSet(guestSocket) ? 'guestSocket' : 'hostSocket'
  if (proto === 'udp') return { key: 'proto', problem: `cannot be udp with ${key}` }
  if (isSet(guestSocket) && !isSet(hostSocket) && !portsOf(entry.hostPort, entry.hostPortRange)) {
    return { key, problem: 'needs hostSocket or hostPort' }
  }
  const guest = portsOf(entry.guestPort, entry.guestPortRange)
  if (!isSet(guestSocket) && (!guest || count(guest) > 1))
    return { key, problem: 'needs guestSocket or one guestPort' }
  return undefined
}

function kindProblem(entry: PortForwardEntry): PortForwardProblem | undefined {
  const guest = portsOf(entry.guestPort, entry.guestPortRange)
  const host = portsOf(entry.hostPort, entry.hostPortRange)
  if (entry.ignore) {
    const other = (['guestSocket', 'hostSocket', 'reverse', 'static'] as const).find((key) =>
      Boolean(entry[key]),
    )
    return other ? { key: 'ignore', problem: `cannot be true beside ${other}` } : undefined
  }
  if (entry.reverse) {
    if (entry.static)
      return { key: 'static', problem: 'cannot be true beside reverse, which is always there' }
    if (entry.proto === 'udp') return { key: 'proto', problem: 'cannot be udp with reverse' }
    const ports = guest ?? host
    if (!isSet(entry.guestSocket) && (!ports || count(ports) > 1)) {
      return { key: 'reverse', problem: 'needs guestSocket or one guestPort' }
    }
    if (!isSet(entry.hostSocket) && !ports) return { key: 'reverse', problem: 'needs hostSocket or hostPort' }
  }
  if (entry.static && !isSet(entry.guestSocket) && !guest) {
    return { key: 'static', problem: 'needs guestPort, guestPortRange or guestSocket' }
  }
  return undefined
}

function portsOf(
  port: number | null | undefined,
  range: [number, number] | null | undefined,
): [number, number] | undefined {
  if (isSet(port)) return [port, port]
  return range ?? undefined
}

function count([first, last]: [number, number]): number {
  return last - first + 1
}

/** An address as RFC 5952 writes it: it is compared as text. */
function usualForm(ip: string | null | undefined): string | undefined {
  if (!isSet(ip)) return undefined
  return isIP(ip) === 6 ? new URL(`http://[${ip}]/`).hostname.slice(1, -1) : ip
}

function isSet<T>(value: T | null | undefined): value is T {
  return value !== null && value !== undefined
}
