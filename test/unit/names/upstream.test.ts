import * as packet from 'dns-packet'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Exchange, NameServer } from '../../../src/names/exchange.ts'
import { HostLookup } from '../../../src/names/host-lookup.ts'
import { codeOf } from '../../../src/names/reply.ts'
import { Upstream } from '../../../src/names/upstream.ts'

const query = packet.encode({ type: 'query', id: 7, questions: [{ name: 'a.test', type: 'A' }] })

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

type Behaviour = 'good' | 'refuses' | 'fails' | 'silent' | 'late' | 'no such name'

const codeFor = { good: 0, late: 0, 'no such name': 3, fails: 2, refuses: 5 }

/** Servers by address, what they do over UDP and over TCP, and which of them were asked. */
function setUp(udp: Record<string, Behaviour>, tcp: Record<string, Behaviour> = {}) {
  const asked: string[] = []
  const aborted: string[] = []
  const exchange =
    (kind: string, behaviours: Record<string, Behaviour>): Exchange =>
    async ({ address }, bytes, signal) => {
      asked.push(`${kind} ${address}`)
      signal.addEventListener('abort', () => aborted.push(address))
      const behaviour = behaviours[address] ?? 'silent'
      if (behaviour === 'silent') return await new Promise(() => undefined)
      if (behaviour === 'late') await new Promise((resolve) => setTimeout(resolve, 2000))
      const { id, questions } = packet.decode(bytes)
      return packet.encode({
        type: 'response',
        id: id ?? 0,
        flags: codeFor[behaviour],
        questions: questions ?? [],
      })
    }
  const servers: NameServer[] = Object.keys(udp).map((address) => ({ address, port: 53 }))
  let now = 0
  const upstream = new Upstream({
    servers: () => servers,
    udp: exchange('udp', udp),
    tcp: exchange('tcp', tcp),
    now: () => now,
  })
  const ask = async (overTcp = false, bytes = query) => {
    asked.length = 0
    const answer = upstream.ask(bytes, overTcp)
    await vi.runAllTimersAsync()
    const found = await answer
    return { code: found && codeOf(found), id: found?.readUInt16BE(0), asked: [...asked] }
  }
  const pass = (ms: number) => {
    now += ms
  }
  return { upstream, ask, asked, pass, aborted }
}

describe('servers are asked in turn', () => {
  test.each<[string, Record<string, Behaviour>, number | undefined, string[]]>([
    ['the first one knows', { a: 'good', b: 'good' }, 0, ['udp a']],
    ['no such name is an answer', { a: 'no such name', b: 'good' }, 3, ['udp a']],
    ['the first one cannot tell', { a: 'fails', b: 'good' }, 0, ['udp a', 'udp b']],
    ['the first one is silent', { a: 'silent', b: 'good' }, 0, ['udp a', 'udp b']],
    ['the answer of the first one comes late', { a: 'late', b: 'silent' }, 0, ['udp a', 'udp b']],
    ['none can tell: the first answer', { a: 'refuses', b: 'fails' }, 5, ['udp a', 'udp b']],
    ['one is silent, one cannot tell', { a: 'silent', b: 'fails' }, 2, ['udp a', 'udp b', 'udp a', 'udp a']],
    ['none answers', { a: 'silent' }, undefined, ['udp a', 'udp a', 'udp a']],
    ['there is none', {}, undefined, []],
  ])('%s', async (_, servers, code, asked) => {
    const result = await setUp(servers).ask()
    expect([result.code, result.asked]).toEqual([code, asked])
  })

  test('over TCP, then over UDP', async () => {
    const { ask } = setUp({ a: 'good' }, { a: 'silent' })
    expect((await ask(true)).asked).toEqual(['tcp a', 'udp a'])
    expect((await setUp({ a: 'good' }, { a: 'good' }).ask(true)).asked).toEqual(['tcp a'])
  })

  test('no longer than 4.5 s, and nothing is left under way', async () => {
    const { upstream, aborted } = setUp({ a: 'silent', b: 'silent' })
    const answer = upstream.ask(query, false)
    await vi.advanceTimersByTimeAsync(4499)
    expect(aborted).toEqual([])
    await vi.advanceTimersByTimeAsync(1)
    expect(await answer).toBeUndefined()
    expect(aborted).toEqual(['a', 'b', 'a'])
    expect(vi.getTimerCount()).toBe(0)
  })

  test('one that was silent comes last for half a minute', async () => {
    const { ask, pass } = setUp({ a: 'silent', b: 'good' })
    await ask()
    expect((await ask()).asked).toEqual(['udp b'])
    pass(30_000)
    expect((await ask()).asked).toEqual(['udp a', 'udp b'])
  })

  test('one that cannot tell this name stays where it is', async () => {
    const { ask } = setUp({ a: 'fails', b: 'good' })
    await ask()
    expect((await ask()).asked).toEqual(['udp a', 'udp b'])
  })
})

test('the same question is asked once at a time, and each answer has its own number', async () => {
  const { upstream, asked } = setUp({ a: 'late' })
  const other = Buffer.from(query)
  other.writeUInt16BE(8, 0)
  const all = Promise.all([upstream.ask(query, false), upstream.ask(other, false)])
  await vi.runAllTimersAsync()
  expect((await all).map((answer) => answer?.readUInt16BE(0))).toEqual([7, 8])
  // One that comes after 2 s is asked again after 1.5 s.
  expect(asked).toEqual(['udp a', 'udp a'])
})

describe("the host's own resolver", () => {
  const slow = async () => new Promise<string[]>(() => undefined)

  test('is asked once for both kinds of address, and again later', async () => {
    let now = 0
    const asked: string[] = []
    const lookup = new HostLookup(
      async (name) => {
        asked.push(name)
        return ['10.1.1.1']
      },
      4500,
      () => now,
    )
    await lookup.addresses('nas')
    expect([await lookup.addresses('nas'), asked]).toEqual([['10.1.1.1'], ['nas']])
    now = 2000
    await lookup.addresses('nas')
    expect(asked).toEqual(['nas', 'nas'])
  })

  test('that knows nothing, or is slow, gives nothing', async () => {
    const none = new HostLookup(async () => {
      throw new Error('ENOTFOUND')
    })
    expect(await none.addresses('nas')).toEqual([])
    const late = new HostLookup(slow).addresses('nas')
    await vi.advanceTimersByTimeAsync(4500)
    expect(await late).toEqual([])
  })

  test('is not asked for more than 16 names at once, nor for what is none', async () => {
    const asked: string[] = []
    const lookup = new HostLookup((name) => {
      asked.push(name)
      return slow()
    })
    for (let n = 0; n < 20; n++) void lookup.addresses(`n${n}`)
    void lookup.addresses(String.raw`a\000b`)
    expect(asked.length).toBe(16)
    await vi.runAllTimersAsync()
  })
})
