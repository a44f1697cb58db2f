import type { PortForward } from '../config/port-forwards.ts'
import type { Listener } from './listeners.ts'
import { type Destination, destinationOf, hostEnd, isLoopback, isWildcard, plainAddress } from './rules.ts'

/** One forward from the host into the guest: from a port or a socket, to one. */
export interface PlannedForward {
  /** Sockets are `tcp`: streams. */
  proto: 'tcp' | 'udp'
  /** '' and 0 with a socket. */
  hostAddress: string
  hostPort: number
  /** An absolute path. */
  hostSocket?: string
  /**
   * `hostfwd`: QEMU's user network, for what listens on all addresses; `ssh`: the SSH connection, for everything else.
   */
  via: 'hostfwd' | 'ssh'
  /** The address to reach inside the guest; '' for `hostfwd`, which leads to the guest's card, and for a socket. */
  guestAddress: string
  guestPort: number
  guestSocket?: string
  /** Why it cannot be. */
  refused?: string
}

/** What a plan depends on beside the listeners. */
export interface PlanSettings {
  /** The user's rules; sockets of the host with absolute paths. */
  rules: readonly PortForward[]
  /** TCP ports of the guest that never appear. */
  internal: ReadonlySet<number>
  /** Whether the host has IPv6. */
  ipv6: boolean
}

// Less than from one address in `rankOf` to the second next.
const otherFamily = 15
// The guest's card in QEMU's user network.
const card = '10.0.2.15'

/** Names a forward by its host end, of which there can only be one: `127.0.0.1:80`, `[::1]:53/udp`, a path. */
export function forwardKey(
  forward: Pick<PlannedForward, 'hostAddress' | 'hostPort' | 'hostSocket'> &
    Partial<Pick<PlannedForward, 'proto'>>,
): string {
  if (forward.hostSocket !== undefined) return forward.hostSocket
  return `${hostPortText(forward.hostAddress, forward.hostPort)}${forward.proto === 'udp' ? '/udp' : ''}`
}

/** An address and a port as in a URL (RFC 3986, section 3.2.2). */
export function hostPortText(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

/**
 * Decides which forwards the guest's listeners and the rules need. `127.0.0.1` of the host stands for both of its loopback
 * addresses and `0.0.0.0` for all, where it has IPv6. What listens on all addresses serves the loopback too. Two that
 * want one port of the host: the second is refused. Pure; the result is keyed by the host end.
 */
export function planForwards(
  listeners: Iterable<Listener>,
  settings: PlanSettings,
): Map<string, PlannedForward> {
  const { rules, internal } = settings
  const candidates: Candidate[] = []
  for (const rule of rules) {
    if (!rule.reverse) candidates.push(...standing(rule, settings))
  }
  const reversed = new Set(
    rules.flatMap(({ reverse, guestPorts }) => (reverse && guestPorts ? [guestPorts[0]] : [])),
  )
  for (const listener of listeners) {
    const { proto, port } = listener
    // sshd listens for what goes the other way.
    if (
      proto === 'tcp' &&
      (internal.has(port) || (reversed.has(port) && isLoopback(plainAddress(listener.address))))
    )
      continue
    const destination = destinationOf(listener, rules)
    if (destination) candidates.push(...carried(listener, destination, settings, rankOf(listener)))
  }
  return settled(candidates)
}

/** A forward that may be, and its rank among those for one host end: the lowest has it. */
interface Candidate extends PlannedForward {
  rank: number
}

/** Those of a rule that need no listener. */
function standing(rule: PortForward, settings: PlanSettings): Candidate[] {
  const { guestSocket, guestPorts } = rule
  if (guestSocket !== undefined) {
    const to = {
      proto: 'tcp' as const,
      via: 'ssh' as const,
      guestAddress: '',
      guestPort: 0,
      guestSocket,
      rank: 0,
    }
    return hostEnds(hostEnd(rule, rule.hostPorts?.[0] ?? 0), settings.ipv6).map((end) => ({ ...end, ...to }))
  }
  if (!rule.static || guestPorts === undefined) return []
  const protos = rule.proto === 'any' ? (['tcp', 'udp'] as const) : [rule.proto]
  const all: Candidate[] = []
  for (let port = guestPorts[0]; port <= guestPorts[1]; port++) {
    for (const proto of protos) {
      if (proto === 'tcp' && settings.internal.has(port)) continue
      const family = rule.guestIP.includes(':') ? 'ipv6' : 'ipv4'
      all.push(...carried({ proto, family, address: rule.guestIP, port }, hostEnd(rule, port), settings, 0))
    }
  }
  return all
}

function carried(listener: Listener, to: Destination, settings: PlanSettings, rank: number): Candidate[] {
  const { proto, port } = listener
  const wild = isWildcard(plainAddress(listener.address))
  return hostEnds(to, settings.ipv6).map((end) => {
    // Sockets of the host are for its user alone; QEMU's port is anybody's.
    const via = wild && end.hostSocket === undefined ? 'hostfwd' : 'ssh'
    const guestAddress = via === 'hostfwd' ? '' : reachable(listener)
    // On each of the host's addresses the listener of its family comes first.
    const sameFamily = end.hostAddress.includes(':') === guestAddress.includes(':')
    return { proto, ...end, via, guestAddress, guestPort: port, rank: rank + (sameFamily ? 0 : otherFamily) }
  })
}

/** `127.0.0.1` and `0.0.0.0` come with their IPv6 counterparts: programs take either for `localhost`. */
function hostEnds(
  to: Destination,
  ipv6: boolean,
): Pick<PlannedForward, 'hostAddress' | 'hostPort' | 'hostSocket'>[] {
  if ('hostSocket' in to) return [{ hostAddress: '', hostPort: 0, hostSocket: to.hostSocket }]
  const { hostIP, hostPort } = to
  const six = { '127.0.0.1': '::1', '0.0.0.0': '::' }[hostIP]
  const addresses = six !== undefined && ipv6 ? [hostIP, six] : [hostIP]
  return addresses.map((hostAddress) => ({ hostAddress, hostPort }))
}

/** Where, inside the guest, a listener is reached. */
function reachable({ address, nat }: Listener): string {
  const plain = plainAddress(address)
  if (plain === '0.0.0.0') return nat ? card : '127.0.0.1'
  // Also where it does not take IPv4.
  return plain === '::' ? '::1' : plain
}

/** All addresses before the loopback before others; in a family the usual address before others. */
function rankOf({ address }: Listener): number {
  const order = ['0.0.0.0', '::', '127.0.0.1', '::1']
  const at = order.indexOf(plainAddress(address))
  if (at >= 0) return 10 + at * 10
  return isLoopback(plainAddress(address)) ? 50 : 60
}

function settled(candidates: Candidate[]): Map<string, PlannedForward> {
  const plan = new Map<string, PlannedForward>()
  const sorted = candidates.toSorted((a, b) => a.rank - b.rank || a.guestPort - b.guestPort)
  for (const { rank: _, ...forward } of sorted) {
    const key = forwardKey(forward)
    const holder = plan.get(key)
    if (!holder) plan.set(key, forward)
    else if (!sameGuest(holder, forward)) refuse(plan, forward, holder)
  }
  for (const [key, forward] of plan) {
    const { hostAddress, hostPort, hostSocket, proto, refused } = forward
    if (hostSocket !== undefined || refused !== undefined || isWildcard(hostAddress)) continue
    const all = hostAddress.includes(':') ? '::' : '0.0.0.0'
    const holder = plan.get(forwardKey({ proto, hostAddress: all, hostPort }))
    if (!holder) continue
    plan.delete(key)
    if (!sameGuest(holder, forward)) refuse(plan, forward, holder)
  }
  return plan
}

function sameGuest(a: PlannedForward, b: PlannedForward): boolean {
  return a.guestPort === b.guestPort && a.guestSocket === b.guestSocket
}

function refuse(plan: Map<string, PlannedForward>, forward: PlannedForward, holder: PlannedForward): void {
  const end = guestEndText(forward)
  const refused = `${forwardKey(holder)} of the host leads to ${guestEndText(holder)} already`
  plan.set(`${forwardKey(forward)} to ${end}`, { ...forward, refused })
}

function guestEndText({ guestPort, guestSocket }: PlannedForward): string {
  return guestSocket ?? `guest port ${guestPort}`
}
