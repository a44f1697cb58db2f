// Milliseconds that an outcome is used again: a client asks for both kinds of address at once.
const keptMs = 2000
// The lookups wait in threads that files are read with too; there are few.
const most = 16

/** What asks the host's own resolver: all addresses of a name. Rejects where there are none. */
export type SystemLookup = (name: string) => Promise<readonly string[]>

/** Asks the host's resolver, which knows more than name servers do: mDNS, a VPN's own, plug-ins. */
export class HostLookup {
  readonly #lookup: SystemLookup
  readonly #limitMs: number
  readonly #now: () => number
  readonly #known = new Map<string, { asked: Promise<readonly string[]>; until: number }>()
  #underWay = 0

  constructor(lookup: SystemLookup, limitMs = 4500, now: () => number = () => performance.now()) {
    this.#lookup = lookup
    this.#limitMs = limitMs
    this.#now = now
  }

  /** The addresses of a name; none when the host does not know it, is too slow, or too many are asked for. Never rejects. */
  async addresses(name: string): Promise<readonly string[]> {
    const now = this.#now()
    for (const [known, { until }] of this.#known) if (until <= now) this.#known.delete(known)
    const kept = this.#known.get(name)
    if (kept) return await kept.asked
    // Text that C takes for another than it is, and what is no host name, is nobody's name.
    if (this.#underWay >= most || !/^[\w.-]+$/.test(name)) return []
    this.#underWay++
    const found = this.#lookup(name)
      .catch(() => [])
      .finally(() => this.#underWay--)
    const asked = limited(found, this.#limitMs)
    this.#known.set(name, { asked, until: now + keptMs })
    return await asked
  }
}

async function limited(found: Promise<readonly string[]>, limitMs: number): Promise<readonly string[]> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<readonly string[]>((resolve) => {
    timer = setTimeout(() => resolve([]), limitMs)
  })
  return await Promise.race([found, late]).finally(() => clearTimeout(timer))
}
