import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'

/** The host's resolver settings. */
export interface ResolvConf {
  /** Addresses of its name servers, in its order. */
  servers: string[]
  /** Its search domains, those that are host names. */
  search: string[]
}

/** Where the host's resolver settings lie; macOS keeps those of its main network there too. */
export const resolvConfFile = '/etc/resolv.conf'

/** The host's settings now; none where the file cannot be read. */
export function readResolvConf(file: string = resolvConfFile): ResolvConf {
  try {
    return parseResolvConf(readFileSync(file, 'utf8'))
  } catch {
    return { servers: [], search: [] }
  }
}

/** Takes the text of a resolv.conf(5). Of `search` and `domain` the last line counts. Pure. */
export function parseResolvConf(text: string): ResolvConf {
  const servers: string[] = []
  let search: string[] = []
  for (const line of text.split('\n')) {
    const [key, ...values] = line
      .replace(/[#;].*$/, '')
      .trim()
      .split(/\s+/)
    const [first = ''] = values
    if (key === 'nameserver' && isIP(first) !== 0) servers.push(first)
    if (key === 'search') search = values
    if (key === 'domain') search = [first]
  }
  return { servers, search: search.flatMap(domain).slice(0, 32) }
}

/** Without the dot at the end. What is no host name is left out: it goes into a file of the guest. */
function domain(text: string): string[] {
  const name = text.replace(/\.$/, '')
  return /^[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9_])?$/.test(name) ? [name] : []
}
