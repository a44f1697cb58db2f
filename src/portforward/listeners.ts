/** A listener in the guest. */
export interface Listener {
  proto: 'tcp' | 'udp'
  family: 'ipv4' | 'ipv6'
  /** `127.0.0.1`, `::` … */
  address: string
  port: number
  /** Published by a rule of the guest's address translation; nothing listens. */
  nat?: true
}

/**
 * Reads a listener as the guest tells it: `tcp 0100007F 1F90`, the address and port as /proc/net/tcp, tcp6, udp and udp6
 * write them (proc(5): hexadecimal, each group of four bytes in the order of a little-endian machine), and `nat` as a
 * fourth word. Gives undefined for anything else. Pure.
 */
export function parseListener(text: string): Listener | undefined {
  const [, proto, six, address = '', port = '', nat] =
    /^(tcp|udp)(6?) ([0-9A-F]+) ([0-9A-F]{4})( nat)?$/.exec(text) ?? []
  const number = Number.parseInt(port, 16)
  if ((proto !== 'tcp' && proto !== 'udp') || !(number > 0)) return undefined
  const more = nat === undefined ? {} : { nat: true as const }
  if (six === '' && address.length === 8) {
    return { proto, family: 'ipv4', address: bytesOf(address).join('.'), port: number, ...more }
  }
  if (six === '6' && address.length === 32) {
    return { proto, family: 'ipv6', address: ipv6Text(bytesOf(address)), port: number, ...more }
  }
  return undefined
}

/** The bytes of an address in network order. */
function bytesOf(hex: string): number[] {
  const bytes: number[] = []
  for (let group = 0; group < hex.length; group += 8) {
    for (let at = group + 6; at >= group; at -= 2) bytes.push(Number.parseInt(hex.slice(at, at + 2), 16))
  }
  return bytes
}

/** RFC 5952: lower case, no leading zeros, the longest run of two or more zero groups as `::`. */
function ipv6Text(bytes: number[]): string {
  const groups = Array.from({ length: 8 }, (_, at) => ((bytes[at * 2] ?? 0) << 8) | (bytes[at * 2 + 1] ?? 0))
  const mapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff
  if (mapped) return `::ffff:${bytes.slice(12).join('.')}`
  let best = { start: -1, length: 1 }
  for (let start = 0; start < 8; start++) {
    let length = 0
    while (start + length < 8 && groups[start + length] === 0) length++
    if (length > best.length) best = { start, length }
  }
  const hex = groups.map((group) => group.toString(16))
  if (best.start < 0) return hex.join(':')
  return `${hex.slice(0, best.start).join(':')}::${hex.slice(best.start + best.length).join(':')}`
}
