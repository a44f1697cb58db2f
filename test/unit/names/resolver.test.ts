import * as packet from 'dns-packet'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseHosts } from '../../../src/names/hosts-file.ts'
import { Resolver, type ResolverInput } from '../../../src/names/resolver.ts'

const hosts = parseHosts('127.0.0.1 localhost box.test\n10.5.5.5 nas\n127.0.1.1 laptop\n::1 six.test\n')

/** What the servers know, by name and type; others have no name. */
const zone: Record<string, string> = {
  'far.test A': '10.8.8.8',
  'local.me A': '127.0.0.1',
  'nas TXT': 'text',
  'six.far.test AAAA': '2001:db8::1',
}

function server(query: Buffer): Buffer {
  const { id, questions = [] } = packet.decode(query)
  const [{ name, type } = { name: '', type: 'A' as const }] = questions
  const data = zone[`${name.toLowerCase()} ${type}`]
  const isName = Object.keys(zone).some((key) => key.startsWith(`${name.toLowerCase()} `))
  return packet.encode({
    type: 'response',
    id: id ?? 0,
    flags: isName ? 0 : 3,
    questions,
    answers: data === undefined ? [] : [{ name, type, ttl: 77, data } as packet.Answer],
  })
}

function setUp(over: Partial<ResolverInput> = {}) {
  const asked: string[] = []
  const looked: string[] = []
  const input: ResolverInput = {
    dnsHosts: {
      'fixed.test': '10.9.8.7',
      'v6.test': '2001:db8::7',
      'me.test': 'host.docker.internal',
      'alias.test': 'far.test',
      'nasty.test': 'nas',
      'gone.test': 'nowhere.test',
      'far.away': 'away.far',
      'away.far': 'far.away',
    },
    hosts: () => hosts,
    ask: async (query) => {
      asked.push(packet.decode(query).questions?.[0]?.name ?? '')
      return server(query)
    },
    lookup: async (name) => {
      looked.push(name)
      if (name === 'printer.local') return ['10.3.3.3', '2001:db8::3']
      if (name === 'vpn.corp') return ['10.4.4.4']
      return name === 'own' || name === 'local.me' ? ['127.0.0.1', 'fe80::5'] : []
    },
    systemFirst: (name) => name.endsWith('.local'),
    ...over,
  }
  const resolver = new Resolver(input)
  const ask = async (name: string, type: packet.RecordType = 'A', transport: 'udp' | 'tcp' = 'udp') => {
    const query = packet.encode({ type: 'query', id: 99, questions: [{ name, type }] })
    const answer = await resolver.answer(query, transport)
    const decoded = packet.decode(answer ?? Buffer.alloc(0)) as packet.DecodedPacket & { rcode: string }
    expect([decoded.id, decoded.questions?.[0]?.name]).toEqual([99, name])
    const data = (decoded.answers ?? []).map((each) => String((each as { data: unknown }).data))
    return { code: decoded.rcode, data, ttl: (decoded.answers?.[0] as { ttl?: number } | undefined)?.ttl }
  }
  return { resolver, ask, asked, looked }
}

describe('what a name is', () => {
  test.each<[string, packet.RecordType, string, string[]]>([
    // The user's own
    ['fixed.test', 'A', 'NOERROR', ['10.9.8.7']],
    ['FiXeD.tEsT', 'A', 'NOERROR', ['10.9.8.7']],
    ['fixed.test', 'AAAA', 'NOERROR', []],
    ['fixed.test', 'MX', 'NOERROR', []],
    ['v6.test', 'AAAA', 'NOERROR', ['2001:db8:0:0:0:0:0:7']],
    ['v6.test', 'A', 'NOERROR', []],
    ['me.test', 'A', 'NOERROR', ['10.0.2.2']],
    ['alias.test', 'A', 'NOERROR', ['10.8.8.8']],
    ['alias.test', 'AAAA', 'NOERROR', []],
    ['alias.test', 'HTTPS' as packet.RecordType, 'NOERROR', []],
    ['nasty.test', 'A', 'NOERROR', ['10.5.5.5']],
    ['gone.test', 'A', 'NXDOMAIN', []],
    ['far.away', 'A', 'NXDOMAIN', []],
    ['sub.fixed.test', 'A', 'NXDOMAIN', []],
    // The host
    ['host.docker.internal', 'A', 'NOERROR', ['10.0.2.2']],
    ['host.docker.internal', 'AAAA', 'NOERROR', []],
    ['gateway.docker.internal', 'A', 'NOERROR', ['10.0.2.2']],
    ['host.lima.internal', 'A', 'NOERROR', ['10.0.2.2']],
    ['host.tcolima.internal', 'A', 'NOERROR', ['10.0.2.2']],
    // The asker
    ['localhost', 'A', 'NOERROR', ['127.0.0.1']],
    ['app.localhost', 'AAAA', 'NOERROR', ['0:0:0:0:0:0:0:1']],
    // The host's hosts file: its loopback is the host
    ['nas', 'A', 'NOERROR', ['10.5.5.5']],
    ['nas', 'AAAA', 'NOERROR', []],
    ['nas', 'TXT', 'NOERROR', ['text']],
    ['laptop', 'A', 'NOERROR', ['10.0.2.2']],
    ['box.test', 'A', 'NOERROR', ['10.0.2.2']],
    ['six.test', 'A', 'NOERROR', ['10.0.2.2']],
    ['six.test', 'AAAA', 'NOERROR', []],
    // Name servers
    ['far.test', 'A', 'NOERROR', ['10.8.8.8']],
    ['local.me', 'A', 'NOERROR', ['127.0.0.1']],
    ['six.far.test', 'AAAA', 'NOERROR', ['2001:db8:0:0:0:0:0:1']],
    ['six.far.test', 'A', 'NOERROR', []],
    ['nowhere.test', 'A', 'NXDOMAIN', []],
    ['nowhere.test', 'TXT', 'NXDOMAIN', []],
    // What only the host's resolver knows
    ['printer.local', 'A', 'NOERROR', ['10.3.3.3']],
    ['printer.local', 'AAAA', 'NOERROR', ['2001:db8:0:0:0:0:0:3']],
    ['vpn.corp', 'A', 'NOERROR', ['10.4.4.4']],
    ['vpn.corp', 'AAAA', 'NOERROR', []],
    ['own', 'A', 'NOERROR', ['10.0.2.2']],
    // Names of addresses
    ['2.2.0.10.in-addr.arpa', 'PTR', 'NOERROR', ['host.docker.internal']],
    ['5.5.5.10.in-addr.arpa', 'PTR', 'NOERROR', ['nas']],
    ['7.8.9.10.in-addr.arpa', 'PTR', 'NOERROR', ['fixed.test']],
    ['1.0.0.127.in-addr.arpa', 'PTR', 'NOERROR', ['localhost']],
    ['9.9.9.10.in-addr.arpa', 'PTR', 'NXDOMAIN', []],
    ['far.test', 'AXFR', 'REFUSED', []],
  ])('%s %s', async (name, type, code, data) => {
    const found = await setUp().ask(name, type)
    expect([found.code, found.data]).toEqual([
      code,
      data.map((each) => expect.toSatisfy((got: string) => same(got, each))),
    ])
  })

  test("the user's own come before the host's, and those before everyone's", async () => {
    const dnsHosts = {
      'host.docker.internal': '10.1.1.1',
      nas: '10.1.1.2',
      'far.test': '10.1.1.3',
      localhost: '10.1.1.4',
    }
    const { ask, asked, looked } = setUp({ dnsHosts })
    for (const [name, address] of Object.entries(dnsHosts)) expect((await ask(name)).data).toEqual([address])
    expect([asked, looked]).toEqual([[], []])
  })

  test("Colima's own default means what it says", async () => {
    const { ask } = setUp({ dnsHosts: { 'host.docker.internal': 'host.lima.internal' } })
    expect((await ask('host.docker.internal')).data).toEqual(['10.0.2.2'])
  })

  test('a name that stands for itself is what others say it is', async () => {
    expect((await setUp({ dnsHosts: { 'far.test': 'far.test' } }).ask('far.test')).data).toEqual(['10.8.8.8'])
  })

  test('own answers hold for a moment, those of others as long as these say', async () => {
    const { ask } = setUp()
    expect(
      await Promise.all(
        ['fixed.test', 'nas', 'vpn.corp', 'alias.test', 'far.test'].map(
          async (name) => (await ask(name)).ttl,
        ),
      ),
    ).toEqual([5, 5, 5, 77, 77])
  })
})

describe('whom it asks', () => {
  test('name servers first; the host only where these know no such name', async () => {
    const { ask, asked, looked } = setUp()
    await ask('far.test')
    await ask('six.far.test')
    expect([asked, looked]).toEqual([['far.test', 'six.far.test'], []])
    await ask('nowhere.test')
    expect(looked).toEqual(['nowhere.test'])
    await ask('nowhere.test', 'TXT')
    expect(looked).toEqual(['nowhere.test'])
  })

  test('the host first where it knows more, but for what everybody is told to be himself', async () => {
    const { ask, asked } = setUp({ systemFirst: () => true })
    expect((await ask('vpn.corp')).data).toEqual(['10.4.4.4'])
    expect(asked).toEqual([])
    expect((await ask('local.me')).data).toEqual(['127.0.0.1'])
    expect((await ask('far.test')).data).toEqual(['10.8.8.8'])
  })

  test("never the host's resolver where the user named servers; its hosts file still counts", async () => {
    const { ask, looked } = setUp({ lookup: undefined })
    expect((await ask('printer.local')).code).toBe('NXDOMAIN')
    expect((await ask('vpn.corp')).code).toBe('NXDOMAIN')
    expect((await ask('nas')).data).toEqual(['10.5.5.5'])
    expect(looked).toEqual([])
  })

  test('when no server answers, or it all breaks: SERVFAIL, not "no such name"', async () => {
    expect((await setUp({ ask: async () => undefined }).ask('far.test')).code).toBe('SERVFAIL')
    expect((await setUp({ ask: async () => undefined }).ask('alias.test')).code).toBe('SERVFAIL')
    const broken = setUp({
      hosts: () => {
        throw new Error('broken')
      },
    })
    expect((await broken.ask('far.test')).code).toBe('SERVFAIL')
    expect((await setUp().ask('far.test')).code).toBe('NOERROR')
  })

  test('unknown types and classes go on byte by byte', async () => {
    const bytes = Buffer.from('1234010000010000000000000366617204746573740000ff0003', 'hex')
    const seen: Buffer[] = []
    const { resolver } = setUp({
      ask: async (query) => {
        seen.push(query)
        return Buffer.concat([query.subarray(0, 2), Buffer.from([0x81]), query.subarray(3)])
      },
    })
    const answer = await resolver.answer(bytes, 'udp')
    expect(seen).toEqual([bytes])
    expect(answer?.subarray(3)).toEqual(bytes.subarray(3))
  })

  test('no more than 512 at once', async () => {
    let release: (() => void) | undefined
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    const { ask } = setUp({ ask: async (query) => held.then(() => server(query)) })
    const many = Array.from({ length: 512 }, () => ask('far.test'))
    expect((await ask('far.test')).code).toBe('SERVFAIL')
    release?.()
    expect(new Set((await Promise.all(many)).map(({ code }) => code))).toEqual(new Set(['NOERROR']))
    expect((await ask('far.test')).code).toBe('NOERROR')
  })
})

test('any bytes are answered or passed over, and no answer over UDP is too long', async () => {
  const { resolver } = setUp({ ask: async (query) => Buffer.concat([query, Buffer.alloc(2000)]) })
  const query = packet.encode({ type: 'query', id: 1, questions: [{ name: 'far.test', type: 'TXT' }] })
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 100 }),
      fc.nat(query.length - 1),
      fc.nat(255),
      async (any, at, value) => {
        const changed = Buffer.from(query)
        changed[at] = value
        for (const bytes of [Buffer.from(any), changed]) {
          const answer = await resolver.answer(bytes, 'udp')
          if (answer !== undefined) {
            expect(answer.subarray(0, 2)).toEqual(bytes.subarray(0, 2))
            expect(answer.length).toBeLessThanOrEqual(512)
          }
        }
      },
    ),
    { numRuns: 500 },
  )
})

function same(got: string, wanted: string): boolean {
  const plain = (text: string) => (text.includes(':') ? new URL(`http://[${text}]`).hostname : text)
  return plain(got) === plain(wanted)
}
