import type { PortForward } from './port-forwards.ts'

/** Two rules of which only one can have what both want of the host: their places in the list, and what it is. */
export interface PortClash {
  earlier: number
  later: number
  what: string
}

/**
 * The first clash among rules: two that bring different things of the guest to one port or socket of the host. A rule for
 * all ports clashes with none: what listens in the guest decides. Pure.
 */
export function clashingForward(rules: readonly PortForward[]): PortClash | undefined {
  for (const [later, rule] of rules.entries()) {
    for (const [earlier, other] of rules.slice(0, later).entries()) {
      const what = clash(other, rule)
      if (what !== undefined) return { earlier, later, what }
    }
  }
  return undefined
}

function clash(a: PortForward, b: PortForward): string | undefined {
  if (a.ignore || b.ignore || a.reverse || b.reverse) return undefined
  if (a.hostSocket !== undefined) return a.hostSocket === b.hostSocket ? a.hostSocket : undefined
  if (!a.hostPorts || !b.hostPorts || isAll(a) || isAll(b)) return undefined
  if (!sameProto(a, b) || !sameAddress(a, b)) return undefined
  const first = Math.max(a.hostPorts[0], b.hostPorts[0])
  const last = Math.min(a.hostPorts[1], b.hostPorts[1])
  if (first > last) return undefined
  // Each range is shifted as a whole: the ports of one either meet all the same ones of the other, or none.
  const [fromA, fromB] = [guestPort(a, first), guestPort(b, first)]
  if (fromA !== undefined && fromA === fromB && a.guestIP === b.guestIP) return undefined
  return `port ${first} of this computer`
}

function isAll({ guestPorts }: PortForward): boolean {
  return guestPorts?.[0] === 1 && guestPorts[1] === 65_535
}

function sameProto(a: PortForward, b: PortForward): boolean {
  return a.proto === 'any' || b.proto === 'any' || a.proto === b.proto
}

function sameAddress(a: PortForward, b: PortForward): boolean {
  const isAny = (ip: string) => ip === '0.0.0.0' || ip === '::'
  return a.hostIP === b.hostIP || isAny(a.hostIP) || isAny(b.hostIP)
}

/** The port of the guest that comes to a port of the host; undefined for a socket. */
function guestPort({ guestPorts, hostPorts }: PortForward, port: number): number | undefined {
  return guestPorts && hostPorts ? guestPorts[0] + port - hostPorts[0] : undefined
}
