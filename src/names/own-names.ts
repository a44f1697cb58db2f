import { isIP } from 'node:net'
import type { HostsFile } from './hosts-file.ts'

/** The address of the host in QEMU's user network (QEMU manual, "Using the user mode network stack"); leads to its loopback. */
export const hostAddress = '10.0.2.2'

/** Names of the host in every guest: Docker Desktop's, Lima's and our own. */
const hostNames: readonly string[] = [
  'host.docker.internal',
  'gateway.docker.internal',
  'host.lima.internal',
  'host.tcolima.internal',
]

/** What is known of a name without asking anyone. */
export type Known =
  /** `all`: there is nothing else of this name; else name servers may know more than addresses. */
  | { kind: 'addresses'; addresses: readonly string[]; all: boolean }
  /** It stands for a name that has to be asked for. */
  | { kind: 'alias'; name: string }

/**
 * Looks a name up (small letters, no dot at the end): the user's own first, then those of the host itself, `localhost`,
 * which is the asker's own (RFC 6761, 6.3), and the host's hosts file, where an address of its loopback leads to the host. Pure.
 */
export function knownName(
  name: string,
  dnsHosts: Readonly<Record<string, string>>,
  hosts: HostsFile,
): Known | undefined {
  let last = name
  // The settings were checked for circles; an agent may still be given others.
  for (let hops = 0; hops < 16 && Object.hasOwn(dnsHosts, last); hops++) {
    const target = dnsHosts[last] ?? ''
    if (isIP(target) !== 0) return { kind: 'addresses', addresses: [target], all: true }
    last = target
    // A name of the user's own that stands for itself is the one that others know.
    if (last === name) break
  }
  const isAlias = last !== name
  if (hostNames.includes(last)) return { kind: 'addresses', addresses: [hostAddress], all: true }
  if (last === 'localhost' || last.endsWith('.localhost')) {
    return { kind: 'addresses', addresses: ['127.0.0.1', '::1'], all: true }
  }
  const listed = hosts.addresses.get(last)
  if (listed) return { kind: 'addresses', addresses: fromGuest(listed), all: isAlias }
  return isAlias ? { kind: 'alias', name: last } : undefined
}

/** The addresses as the guest has to use them: what is the host's own loopback there is the host here. */
export function fromGuest(addresses: readonly string[]): string[] {
  const usable = addresses.filter((address) => !/^fe[89ab]/i.test(address))
  return [...new Set(usable.map((address) => (isLoopback(address) ? hostAddress : address)))]
}

export function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1' || address.startsWith('::ffff:127.')
}

/** The name of an address, asked for as `2.2.0.10.in-addr.arpa`; undefined where others may know it. Pure. */
export function knownAddress(
  name: string,
  dnsHosts: Readonly<Record<string, string>>,
  hosts: HostsFile,
): string | undefined {
  const address = addressOf(name)
  if (address === undefined) return undefined
  if (isLoopback(address)) return 'localhost'
  const own = Object.entries(dnsHosts).find(([, target]) => target === address)?.[0]
  return own ?? (address === hostAddress ? hostNames[0] : hosts.names.get(address))
}

/** `4.3.2.1.in-addr.arpa` as `1.2.3.4` (RFC 1035, 3.5). Addresses of IPv6 are left to name servers. */
function addressOf(name: string): string | undefined {
  const address = /^(\d+\.\d+\.\d+\.\d+)\.in-addr\.arpa$/.exec(name)?.[1]?.split('.').toReversed().join('.')
  return address !== undefined && isIP(address) === 4 ? address : undefined
}
