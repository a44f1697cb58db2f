import { type Exchange, type NameServer } from './exchange.ts'
import { firstOf } from './first-of.ts'
import { codeOf, withId } from './reply.ts'
import { codes } from './records.ts'

/** What the name servers of the host are asked with. */
export interface UpstreamInput {
  /** The servers of the moment, in their order. */
  servers: () => readonly NameServer[]
  udp: Exchange
  tcp: Exchange
  now?: () => number
}

// Milliseconds: clients ask again after 5 s (resolv.conf(5), `timeout`), and should have heard from us by then.
const limitMs = 4500
const staggerMs = 1500
// How long a server that did not answer is asked after the others.
const slowMs = 30_000

/** Asks name servers, one after the other until one can tell. */
export class Upstream {
  readonly #input: UpstreamInput
  readonly #now: () => number
  readonly #slow = new Map<string, number>()
  readonly #underWay = new Map<string, Promise<Buffer | undefined>>()

  constructor(input: UpstreamInput) {
    this.#input = input
    this.#now = input.now ?? (() => performance.now())
  }

  /**
   * Gives the answer to a query, byte by byte as a server gave it; that of one which could not tell (SERVFAIL, REFUSED) when
   * none could; undefined when none answered within 4.5 s. A query that is under way already is not asked again: so a
   * host whose name server asks this one does no more than wait.
   */
  async ask(query: Buffer, overTcp: boolean): Promise<Buffer | undefined> {
    const key = `${overTcp} ${query.toString('latin1', 2)}`
    let asked = this.#underWay.get(key)
    if (asked === undefined) {
      asked = this.#ask(query, overTcp).finally(() => this.#underWay.delete(key))
      this.#underWay.set(key, asked)
    }
    const answer = await asked
    return answer && withId(answer, query.readUInt16BE(0))
  }

  async #ask(query: Buffer, overTcp: boolean): Promise<Buffer | undefined> {
    const { udp, tcp } = this.#input
    const servers = this.#ordered()
    const once = (exchange: Exchange) => servers.map((server) => ({ server, exchange }))
    // Some servers, those of small routers above all, do not speak TCP.
    const plan = overTcp ? [...once(tcp), ...once(udp)] : [...once(udp), ...once(udp), ...once(udp)]
    // By server: those that answered that they cannot tell. Asking them once is enough.
    const unable = new Map<NameServer, Buffer>()
    const answer = await firstOf(
      plan.map(({ server, exchange }) => async (signal: AbortSignal) => {
        const given = unable.has(server) ? undefined : await exchange(server, query, signal)
        if (given === undefined) return undefined
        if (codeOf(given) === codes.ok || codeOf(given) === codes.noSuchName) {
          this.#slow.delete(keyOf(server))
          return given
        }
        unable.set(server, given)
        return undefined
      }),
      {
        staggerMs,
        limitMs,
        onSlow: (index) => {
          const server = plan[index]?.server
          if (server && !unable.has(server)) this.#slow.set(keyOf(server), this.#now() + slowMs)
        },
      },
    )
    return answer ?? unable.values().next().value
  }

  /** Those that did not answer lately come last. */
  #ordered(): NameServer[] {
    const now = this.#now()
    const servers = [...this.#input.servers()]
    for (const [key, until] of this.#slow) if (until <= now) this.#slow.delete(key)
    const isSlow = (server: NameServer) => Number(this.#slow.has(keyOf(server)))
    return servers.sort((a, b) => isSlow(a) - isSlow(b))
  }
}

function keyOf({ address, port }: NameServer): string {
  return `${address} ${port}`
}
