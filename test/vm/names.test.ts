import { readdirSync, readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import * as packet from 'dns-packet'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { terminate } from '../../src/host/processes.ts'
import { parseHosts } from '../../src/names/hosts-file.ts'
import { fromGuest } from '../../src/names/own-names.ts'
import { readResolvConf } from '../../src/names/resolv-conf.ts'
import { bigTexts, fakeServer, type FakeServer } from '../peer/names/fake-server.ts'
import { docker, endProcesses, eventually, processesOf, tcolima } from './harness.ts'

const shared = inject('shared')
const profile = 'names'
const guest = (script: string) => tcolima(['ssh', profile, '--', 'sh', '-c', script])
const settings = ['--dns-host', 'fixed.test=10.9.8.7', '--dns-host', 'me.test=host.docker.internal']

// A name that only this computer knows. Where its hosts file has none but `localhost`, there is none to try.
const [hostOnly, hostOnlyAddresses] = [...parseHosts(readFileSync('/etc/hosts', 'utf8')).addresses].find(
  ([name]) => !/localhost|^ip6-|^broadcasthost$/.test(name),
) ?? ['', []]

let server: FakeServer
let web: Server
let webPort: number

beforeAll(async () => {
  server = await fakeServer()
  web = createServer((_, response) => response.end('from the host\n'))
  await new Promise<void>((resolve) => {
    web.listen(0, '127.0.0.1', resolve)
  })
  webPort = (web.address() as AddressInfo).port
  const started = await tcolima([
    ...['start', profile, '--template', 'docker'],
    ...['--cpus', '2', '--memory', '2', '--disk', '10', '--mount', 'none'],
    ...['--dns', `127.0.0.1:${server.port}`, ...settings],
  ])
  expect(started.exitCode, String(started.stderr)).toBe(0)
  await docker(profile, ['import', shared.busyboxTar, 'busybox'])
  await docker(profile, ['network', 'create', 'own'])
  for (const network of ['bridge', 'own']) {
    const run = ['run', '-d', '--name', `on-${network}`, '--network', network, 'busybox', 'sleep', '100000']
    const ran = await docker(profile, run)
    expect(ran.exitCode, String(ran.stderr)).toBe(0)
  }
})

afterAll(async () => {
  await endProcesses(shared.home, profile)
  await tcolima(['delete', profile, '--force', '--data'])
  await server.close()
  web.closeAllConnections()
  web.close()
})

/** Where names are asked for: gives the addresses, sorted. */
const places: Record<string, (name: string) => Promise<string[]>> = {
  guest: async (name) => addresses((await guest(`getent ahostsv4 ${name} | cut -d' ' -f1`)).stdout),
  'a container': async (name) => await inContainer('bridge', name),
  'a container in a network of its own': async (name) => await inContainer('own', name),
}

async function inContainer(network: string, name: string): Promise<string[]> {
  const { stdout } = await docker(profile, ['exec', `on-${network}`, 'busybox', 'nslookup', name])
  // What stands before the first "Name:" is about the server.
  return addresses(
    String(stdout)
      .split(/^Name:/m)
      .slice(1)
      .join(''),
  )
}

function addresses(text: unknown): string[] {
  return [...new Set(String(text).match(/\b\d+\.\d+\.\d+\.\d+\b/g) ?? [])].sort()
}

describe.each(Object.entries(places))('in %s', (_, lookUp) => {
  it.each([
    ['fixed.test', ['10.9.8.7']],
    ['me.test', ['10.0.2.2']],
    ['host.docker.internal', ['10.0.2.2']],
    ['host.lima.internal', ['10.0.2.2']],
    ['host.tcolima.internal', ['10.0.2.2']],
    ['a.fake.test', ['10.9.9.9']],
    ['none.fake.test', []],
  ])('%s is %j', async (name, wanted) => expect(await lookUp(name)).toEqual(wanted))

  it.skipIf(hostOnly === '')(
    'B43: a name of the hosts file is known, and its loopback is the host',
    async () => {
      expect(await lookUp(hostOnly)).toEqual(
        fromGuest(hostOnlyAddresses)
          .filter((each) => !each.includes(':'))
          .sort(),
      )
    },
  )
})

it.each(['10.0.2.2', 'host.docker.internal', 'host.tcolima.internal'])(
  'a server on the loopback of the host is reached by %s, with no extra flags',
  async (name) => {
    const fetch = ['busybox', 'wget', '-qO-', `http://${name}:${webPort}/`]
    expect((await guest(fetch.join(' '))).stdout).toBe('from the host')
    expect((await docker(profile, ['exec', 'on-bridge', ...fetch])).stdout).toBe('from the host')
    expect((await docker(profile, ['exec', 'on-own', ...fetch])).stdout).toBe('from the host')
  },
)

describe('answers that do not fit', () => {
  const option = (size: number) =>
    ({ type: 'OPT', name: '.', udpPayloadSize: size, flags: 0, options: [] }) as never
  const asked = (size?: number) =>
    packet.encode({
      type: 'query',
      id: 7,
      questions: [{ name: 'big.fake.test', type: 'TXT' }],
      additionals: size === undefined ? [] : [option(size)],
    })

  /** Sends a query to the guest's name server from within. */
  async function answer(transport: 'udp' | 'tcp', query: Buffer): Promise<packet.DecodedPacket> {
    const script = `use IO::Socket::INET; my ($how, $hex) = @ARGV; my $q = pack "H*", $hex; alarm 30;
      my $s = IO::Socket::INET->new(PeerAddr => "10.0.2.3", PeerPort => 53, Proto => $how) or die "connect: $!";
      if ($how eq "udp") { send $s, $q, 0; recv $s, my $a, 65535, 0; print unpack "H*", $a; exit }
      syswrite $s, pack("n", length $q) . $q; my $a = "";
      while (length $a < 2 || length $a < 2 + unpack "n", $a) { sysread $s, $a, 65536, length $a or die "ended" }
      print unpack "H*", substr $a, 2`
    const { stdout, stderr } = await tcolima([
      'ssh',
      profile,
      '--',
      'perl',
      '-e',
      script,
      transport,
      query.toString('hex'),
    ])
    expect(stderr).toBe('')
    return packet.decode(Buffer.from(String(stdout), 'hex'))
  }
  const textsOf = ({ answers = [] }: packet.DecodedPacket) =>
    answers.map((each) => String((each as { data: Buffer[] }).data))

  it('are cut over plain UDP, and whole with EDNS and over TCP', async () => {
    const plain = await answer('udp', asked())
    expect([plain.flag_tc, textsOf(plain)]).toEqual([true, bigTexts.slice(0, 3)])
    for (const whole of [await answer('udp', asked(4096)), await answer('tcp', asked())]) {
      expect([whole.flag_tc, textsOf(whole)]).toEqual([false, bigTexts])
    }
  })

  it('in a container too', async () => {
    const { stdout } = await docker(profile, [
      'exec',
      'on-bridge',
      'busybox',
      'nslookup',
      '-type=txt',
      'big.fake.test',
    ])
    expect(String(stdout)).toContain(bigTexts[0])
  })
})

it("the guest and containers have the host's search domains", async () => {
  const { search } = readResolvConf()
  const line = search.length > 0 ? `search ${search.join(' ')}` : ''
  const show = 'grep ^search /etc/resolv.conf || true'
  expect((await guest(show)).stdout).toBe(line)
  const { stdout } = await docker(profile, ['exec', 'on-bridge', 'cat', '/etc/resolv.conf'])
  expect(/^search .*$/m.exec(String(stdout))?.[0] ?? '').toBe(line)
  expect(String(stdout)).toContain('nameserver 10.0.2.3')
})

it("no user's query uses up a file of QEMU", async () => {
  const script = `use IO::Socket::INET; my $q = pack("n6", 1, 256, 1, 0, 0, 0) . "\\5fixed\\4test\\0" . pack("nn", 1, 1); my $n = 0;
    for (1 .. 300) { my $s = IO::Socket::INET->new(PeerAddr => "10.0.2.3", PeerPort => 53, Proto => "udp"); send $s, $q, 0;
    my $r = ""; vec($r, fileno $s, 1) = 1; $n++ if select($r, undef, undef, 10) > 0 } print $n`
  const { qemu } = processesOf(shared.home, profile)
  const files = () => readdirSync(`/proc/${qemu?.pid}/fd`).length
  const before = files()
  expect((await tcolima(['ssh', profile, '--', 'perl', '-e', script])).stdout).toBe('300')
  expect(files() - before).toBeLessThan(20)
})

it('a killed agent comes back with all names', async () => {
  const { agent } = processesOf(shared.home, profile)
  if (!agent) throw new Error('no agent')
  await terminate(agent, { graceMs: 0 })
  const again = await tcolima(['start', profile])
  expect(again.exitCode, String(again.stderr)).toBe(0)
  for (const lookUp of Object.values(places)) {
    expect(await lookUp('fixed.test')).toEqual(['10.9.8.7'])
    expect(await lookUp('a.fake.test')).toEqual(['10.9.9.9'])
  }
})

it('a program of the guest that was killed comes back', async () => {
  await guest("sudo pkill -9 -f '^/usr/bin/perl /usr/lib/tcolima/resolve'")
  // systemd starts it again after 0.2 s; until it listens, queries are refused.
  const found = await eventually(async () => {
    const seen = await places.guest?.('fixed.test')
    return seen?.length === 1 ? seen : undefined
  }, 60_000)
  expect(found).toEqual(['10.9.8.7'])
  expect((await guest('sudo iptables -t nat -S | grep -c 62053')).stdout).toBe('4')
})

it('B43: names set anew hold after a restart', async () => {
  const restarted = await tcolima(['restart', profile, '--dns-host', 'fixed.test=10.9.8.6'])
  expect(restarted.exitCode, String(restarted.stderr)).toBe(0)
  expect(await places.guest?.('fixed.test')).toEqual(['10.9.8.6'])
  expect(await places.guest?.('me.test')).toEqual([])
  expect(await places.guest?.('a.fake.test')).toEqual(['10.9.9.9'])
})
