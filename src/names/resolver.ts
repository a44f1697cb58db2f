import type { HostsFile } from './hosts-file.ts'
import { fromGuest, isLoopback, knownAddress, knownName } from './own-names.ts'
import { makeQuery, type Query, readQuery } from './query.ts'
import { codes, types } from './records.ts'
import {
  addressData,
  addressesIn,
  codeOf,
  fitted,
  isTruncated,
  pointerData,
  refusal,
  reply,
  withId,
} from './reply.ts'

/** What a resolver answers from. */
export interface ResolverInput {
  /** The user's own names. */
  dnsHosts: Readonly<Record<string, string>>
  /** The host's hosts file of the moment. */
  hosts: () => HostsFile
  /** Asks the name servers; undefined when none answered. */
  ask: (query: Buffer, overTcp: boolean) => Promise<Buffer | undefined>
  /** Asks the host's own resolver; absent where the user's name servers take its place. */
  lookup?: ((name: string) => Promise<readonly string[]>) | undefined
  /** Whether the host's resolver is asked for this name before the name servers. */
  systemFirst: (name: string) => boolean
}

// Queries that are answered at once; more are refused.
const mostQueries = 512

/** Answers DNS queries as the host would find names itself. */
export class Resolver {
  readonly #input: ResolverInput
  #underWay = 0

  constructor(input: ResolverInput) {
    this.#input = input
  }

  /**
   * Gives the answer to a message of a client, any bytes at all; undefined where it deserves none. An answer to `udp` fits
   * what the client takes. Never rejects.
   */
  async answer(bytes: Buffer, transport: 'udp' | 'tcp'): Promise<Buffer | undefined> {
    const query = readQuery(bytes)
    if (query === undefined) return undefined
    if (query === 'malformed') return refusal(bytes, codes.malformed)
    if (this.#underWay >= mostQueries) return reply(query, codes.failed)
    this.#underWay++
    try {
      const found = await this.#find(query, transport === 'tcp')
      return transport === 'udp' ? fitted(found, query.udpSize) : found
    } catch {
      return reply(query, codes.failed)
    } finally {
      this.#underWay--
    }
  }

  async #find(query: Query, overTcp: boolean): Promise<Buffer> {
    const { dnsHosts, hosts } = this.#input
    if (query.opcode !== 0) return reply(query, codes.notImplemented)
    // Whole zones come in many messages.
    if (query.type === types.AXFR || query.type === types.IXFR) return reply(query, codes.refused)
    if (query.class !== 1) return await this.#forward(query, overTcp)
    const known = knownName(query.name, dnsHosts, hosts())
    if (known?.kind === 'alias') return await this.#alias(query, known.name, overTcp)
    if (known && (known.all || isAboutAddresses(query.type))) {
      return reply(query, codes.ok, addressRecords(known.addresses, query.type))
    }
    if (query.type === types.PTR) {
      const name = knownAddress(query.name, dnsHosts, hosts())
      if (name !== undefined) return reply(query, codes.ok, [pointerData(name)])
    }
    return isAddress(query.type) ? await this.#addresses(query, overTcp) : await this.#forward(query, overTcp)
  }

  /** Addresses of a name that name servers or the host's resolver may know. */
  async #addresses(query: Query, overTcp: boolean): Promise<Buffer> {
    const { lookup, systemFirst } = this.#input
    if (lookup && systemFirst(query.name)) {
      const found = await lookup(query.name)
      // A loopback address may be one that name servers give to everybody, and then means the asker's own.
      if (found.length > 0 && !found.some(isLoopback)) {
        return reply(query, codes.ok, addressRecords(fromGuest(found), query.type))
      }
    }
    const answer = await this.#forward(query, overTcp)
    if (!lookup || codeOf(answer) !== codes.noSuchName || query.name === '') return answer
    const found = fromGuest(await lookup(query.name))
    // A name with addresses of the other kind only is a name all the same: no NXDOMAIN.
    return found.length > 0 ? reply(query, codes.ok, addressRecords(found, query.type)) : answer
  }

  /** What a name of the user's own stands for, under that name. */
  async #alias(query: Query, target: string, overTcp: boolean): Promise<Buffer> {
    if (!isAddress(query.type)) return reply(query, codes.ok)
    const asked = readQuery(makeQuery(target, query.type))
    if (asked === undefined || asked === 'malformed') return reply(query, codes.failed)
    const answer = await this.#addresses(asked, overTcp)
    if (codeOf(answer) !== codes.ok && codeOf(answer) !== codes.noSuchName) {
      return reply(query, codes.failed)
    }
    const { data, ttl } = addressesIn(answer, query.type)
    return reply(query, codeOf(answer), data, data.length > 0 ? ttl : undefined)
  }

  async #forward(query: Query, overTcp: boolean): Promise<Buffer> {
    const answer = await this.#input.ask(query.bytes, overTcp)
    if (answer === undefined) return reply(query, codes.failed)
    // Over TCP a cut answer would be the last word.
    if (overTcp && isTruncated(answer)) return reply(query, codes.failed)
    return withId(answer, query.bytes.readUInt16BE(0))
  }
}

function isAddress(type: number): boolean {
  return type === types.A || type === types.AAAA
}

/** SVCB and HTTPS records carry addresses too (RFC 9460, 7.3), which would lead past the ones told here. */
function isAboutAddresses(type: number): boolean {
  return isAddress(type) || type === types.HTTPS || type === types.SVCB
}

function addressRecords(addresses: readonly string[], type: number): Buffer[] {
  return isAddress(type) ? addressData(addresses, type) : []
}
