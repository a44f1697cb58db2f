import { getServers } from 'node:dns'
import { lookup } from 'node:dns/promises'
import { type NetworkConfig, serverOf } from '../config/names.ts'
import { askTcp, askUdp, type NameServer } from '../names/exchange.ts'
import { FollowedFile } from '../names/followed-file.ts'
import { HostLookup } from '../names/host-lookup.ts'
import { hostsFile, parseHosts } from '../names/hosts-file.ts'
import { NamesLink } from '../names/link.ts'
import { parseResolvConf, resolvConfFile } from '../names/resolv-conf.ts'
import { Resolver } from '../names/resolver.ts'
import { Upstream } from '../names/upstream.ts'

// Milliseconds between two looks at the host's search domains.
const searchMs = 5000

/** The names of a running machine: its queries are answered until this is closed. */
export interface Names {
  /** Goes by other settings from the next query on. */
  change: (config: NetworkConfig) => void
  close: () => void
}

/**
 * Answers the DNS queries of the guest behind a socket of QEMU, as the host finds names itself. The host's settings are
 * followed. Throws `failed` when the socket is not there.
 */
export async function openNames(socket: string, config: NetworkConfig, platform: string): Promise<Names> {
  const resolvConf = new FollowedFile(resolvConfFile, parseResolvConf)
  const hosts = new FollowedFile(hostsFile, parseHosts)
  const system = new HostLookup(async (name) => {
    const found = await lookup(name, { all: true, verbatim: true })
    return found.map(({ address }) => address)
  })
  const resolverFor = ({ dns, dnsHosts }: NetworkConfig) => {
    const own = dns.flatMap((text) => serverOf(text) ?? [])
    const upstream = new Upstream({
      servers: () => (own.length > 0 ? own : hostServers(resolvConf.value.servers)),
      udp: askUdp,
      tcp: askTcp,
    })
    return new Resolver({
      dnsHosts,
      hosts: () => hosts.value,
      ask: (query, overTcp) => upstream.ask(query, overTcp),
      lookup: own.length > 0 ? undefined : (name) => system.addresses(name),
      // macOS has name servers for single domains (a VPN's) that only its own resolver knows; `.local` is mDNS (RFC 6762).
      systemFirst: (name) => platform === 'darwin' || name.endsWith('.local'),
    })
  }
  let resolver = resolverFor(config)
  const link = await NamesLink.connect(
    socket,
    (query, transport) => resolver.answer(query, transport),
    resolvConf.value.search,
  )
  const timer = setInterval(() => link.setSearch(resolvConf.value.search), searchMs)
  timer.unref()
  return {
    change: (wanted) => {
      resolver = resolverFor(wanted)
    },
    close: () => {
      clearInterval(timer)
      link.close()
    },
  }
}

/** The servers of the file, or what the system's library says where it names none. */
function hostServers(listed: readonly string[]): NameServer[] {
  if (listed.length > 0) return listed.map((address) => ({ address, port: 53 }))
  return getServers().flatMap((text) => serverOf(text) ?? [])
}
