import { isIP } from 'node:net'
import { bad, type Checked, good } from './checked.ts'

/** The settings of names; the keys `network.dns` and `network.dnsHosts`. */
export interface NetworkConfig {
  /** Name servers that take the place of the host's, each `ADDRESS`, `ADDRESS:PORT` or `[ADDRESS]:PORT`. */
  dns: readonly string[]
  /** Names of the user's own, in small letters, to an IP address or another name. */
  dnsHosts: Readonly<Record<string, string>>
}

/** A name as DNS compares names: in small letters, without the dot at the end. */
export function plainName(name: string): string {
  return name.toLowerCase().replace(/\.$/, '')
}

/** Takes the address of a name server, with a port where it is not 53; gives it. */
export function checkNameServer(value: unknown): Checked<string> {
  const parsed = typeof value === 'string' ? serverOf(value) : undefined
  return parsed ? good(String(value)) : bad('must be the IP address of a name server, such as 1.1.1.1')
}

/** Takes a checked name server apart. Gives undefined for what is none. */
export function serverOf(text: string): { address: string; port: number } | undefined {
  if (isIP(text) !== 0) return { address: text, port: 53 }
  const { v4, v6, port } = /^(?:(?<v4>[\d.]+)|\[(?<v6>.+)\]):(?<port>\d{1,5})$/.exec(text)?.groups ?? {}
  const address = v4 ?? v6 ?? ''
  const number = Number(port)
  const isAddress = v4 === undefined ? isIP(address) === 6 : isIP(address) === 4
  return isAddress && number > 0 && number < 65_536 ? { address, port: number } : undefined
}

/** Takes a name that may be asked for: labels of letters, digits, `-` and `_`, at most 253 characters. Gives it in small letters. */
export function checkName(value: unknown): Checked<string> {
  const label = '[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?'
  const valid = new RegExp(String.raw`^${label}(?:\.${label})*\.?$`)
  if (typeof value === 'string' && value.length <= 253 && valid.test(value) && isIP(value) === 0) {
    return good(plainName(value))
  }
  return bad('must be a host name')
}

/** Takes what a name of the user's own stands for: an IP address, or another name. */
export function checkNameTarget(value: unknown): Checked<string> {
  if (typeof value === 'string' && isIP(value) !== 0) return good(value)
  // Digits and dots alone are an address with a mistake in it.
  const name = typeof value === 'string' && /^[\d.]+$/.test(value) ? bad<string>('') : checkName(value)
  return name.ok ? name : bad('must be an IP address or a host name')
}

/** Gives the first name that stands for itself over others, or undefined. */
export function circularName(dnsHosts: Readonly<Record<string, string>>): string | undefined {
  return Object.keys(dnsHosts).find((first) => {
    const seen = new Set<string>()
    let name: string | undefined = first
    while (name !== undefined && Object.hasOwn(dnsHosts, name)) {
      if (seen.has(name)) return name === first
      seen.add(name)
      name = dnsHosts[name]
    }
    return false
  })
}
