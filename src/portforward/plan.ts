import type { Listener } from './listeners.ts'

/** One forward from the host into the guest. */
export interface PlannedForward {
  hostAddress: string
  hostPort: number
  /** `hostfwd`: QEMU's user network, for wildcard listeners; `ssh`: for those on the guest's loopback. */
  via: 'hostfwd' | 'ssh'
  /** The address to reach inside the guest; for `hostfwd` the guest's card. */
  guestAddress: string
  guestPort: number
}

/** Names a forward by its host end, of which there can only be one. */
export function forwardKey(forward: Pick<PlannedForward, 'hostAddress' | 'hostPort'>): string {
  return `${forward.hostAddress}:${forward.hostPort}`
}

/**
 * Decides which forwards the guest's listeners need: a wildcard listener appears on all addresses of the host, one on
 * the guest's loopback on the host's loopback, as Colima does it. Ports in `internal` never appear. A wildcard listener
 * serves the loopback too. Pure; the result is keyed by the host end.
 */
export function planForwards(
  listeners: Iterable<Listener>,
  internal: ReadonlySet<number>,
): Map<string, PlannedForward> {
  const wildcard = new Map<number, PlannedForward>()
  const loopback = new Map<number, PlannedForward>()
  for (const { proto, address, port } of listeners) {
    if (proto !== 'tcp' || internal.has(port)) continue
    if (address === '0.0.0.0' || address === '::' || address === '::ffff:0.0.0.0') {
      wildcard.set(port, {
        hostAddress: '0.0.0.0',
        hostPort: port,
        via: 'hostfwd',
        guestAddress: '',
        guestPort: port,
      })
    } else if (isLoopback(address) && (address === '127.0.0.1' || !loopback.has(port))) {
      loopback.set(port, {
        hostAddress: '127.0.0.1',
        hostPort: port,
        via: 'ssh',
        guestAddress: address,
        guestPort: port,
      })
    }
  }
  const plan = new Map<string, PlannedForward>()
  for (const forward of wildcard.values()) plan.set(forwardKey(forward), forward)
  for (const [port, forward] of loopback) {
    if (!wildcard.has(port)) plan.set(forwardKey(forward), forward)
  }
  return plan
}

function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address.startsWith('::ffff:127.') || address === '::1'
}
