import { isIP } from 'node:net'

/** What a hosts file says. */
export interface HostsFile {
  /** Addresses by name; names in small letters. */
  addresses: ReadonlyMap<string, readonly string[]>
  /** The first name of an address. */
  names: ReadonlyMap<string, string>
}

/** Where the host's own names stand. */
export const hostsFile = '/etc/hosts'

/** Takes the text of a hosts(5) file. Addresses with a zone (`fe80::1%lo0`) mean nothing elsewhere and are left out. Pure. */
export function parseHosts(text: string): HostsFile {
  const addresses = new Map<string, string[]>()
  const names = new Map<string, string>()
  for (const line of text.split('\n')) {
    const [address = '', ...given] = line.replace(/#.*$/, '').trim().split(/\s+/)
    if (isIP(address) === 0 || address.includes('%')) continue
    for (const each of given) {
      const name = each.toLowerCase().replace(/\.$/, '')
      const known = addresses.get(name)
      if (known === undefined) addresses.set(name, [address])
      else if (!known.includes(address)) known.push(address)
    }
    const [first] = given
    if (first !== undefined && !names.has(address)) names.set(address, first)
  }
  return { addresses, names }
}
