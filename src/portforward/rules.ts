import type { PortForward } from '../config/port-forwards.ts'
import type { Listener } from './listeners.ts'

/** Where a listener goes: to an address or a socket of the host, or (`undefined`) nowhere. */
export type Destination = { hostIP: string; hostPort: number } | { hostSocket: string }

/**
 * Decides where on the host a listener appears: by the first rule that matches it, as in Lima (its `hostagent`, "port.go"),
 * else by the defaults, which are Colima's: the guest's loopback on the host's, all addresses on all addresses. Pure.
 */
export function destinationOf(listener: Listener, rules: readonly PortForward[]): Destination | undefined {
  const rule = rules.find((each) => matches(each, listener))
  if (rule) return rule.ignore ? undefined : hostEnd(rule, listener.port)
  const { proto, port } = listener
  const address = plainAddress(listener.address)
  if (isOfTheSystem(proto, address, port)) return undefined
  if (isWildcard(address)) return { hostIP: '0.0.0.0', hostPort: port }
  return isLoopback(address) ? { hostIP: '127.0.0.1', hostPort: port } : undefined
}

/** The host's end that a rule with ports, or with a socket on the host, gives a guest port. */
export function hostEnd(
  { hostIP, hostPorts, hostSocket, guestPorts }: PortForward,
  guestPort: number,
): Destination {
  if (hostSocket !== undefined) return { hostSocket }
  return { hostIP, hostPort: (hostPorts?.[0] ?? guestPort) + guestPort - (guestPorts?.[0] ?? guestPort) }
}

function matches(rule: PortForward, { proto, address: written, port }: Listener): boolean {
  if (rule.guestPorts === undefined || rule.reverse) return false
  if (rule.proto !== 'any' && rule.proto !== proto) return false
  if (port < rule.guestPorts[0] || port > rule.guestPorts[1]) return false
  const address = plainAddress(written)
  const wild = isWildcard(rule.guestIP)
  // Who listens everywhere listens on the rule's address too; to ignore that one address must not ignore the others.
  if (isWildcard(address)) return wild || !rule.ignore
  if (address === rule.guestIP || (address === '::1' && rule.guestIP === '127.0.0.1')) return true
  return wild && !rule.guestIPMustBeZero
}

/** An IPv4 address that a socket for both families writes as `::ffff:…`, in its own form; others as they are. */
export function plainAddress(address: string): string {
  return /^::ffff:([\d.]+)$/.exec(address)?.[1] ?? address
}

/** Whether a plain address stands for all of its family. */
export function isWildcard(address: string): boolean {
  return address === '0.0.0.0' || address === '::'
}

/** Whether a plain address is one of the loopback. */
export function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1'
}

// The guest's own: the clients of DHCP (IPv4, IPv6) and time, names on the local network (mDNS, LLMNR).
const systemUdpPorts = new Set([68, 323, 546, 5353, 5355])

function isOfTheSystem(proto: 'tcp' | 'udp', address: string, port: number): boolean {
  // systemd-resolved, and whatever else answers for names in the guest alone.
  if (port === 53 && isLoopback(address)) return true
  return port === 5355 || (proto === 'udp' && systemUdpPorts.has(port))
}
