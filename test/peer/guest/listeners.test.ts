import { execFileSync } from 'node:child_process'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { parseListener } from '../../../src/portforward/listeners.ts'

const program = path.resolve(import.meta.dirname, '../../../guest/rootfs/usr/lib/tcolima/listeners')
const open: (Server | Socket)[] = []
afterEach(() => {
  for (const each of open.splice(0)) each.close()
})

async function listen(host: string): Promise<number> {
  const server = createServer((socket) => socket.resume())
  server.listen(0, host)
  await once(server, 'listening')
  open.push(server)
  return (server.address() as AddressInfo).port
}

async function bind(host: string, type: 'udp4' | 'udp6' = 'udp4'): Promise<{ port: number; socket: Socket }> {
  const socket = createSocket(type)
  socket.bind(0, host)
  await once(socket, 'listening')
  open.push(socket)
  return { port: socket.address().port, socket }
}

const perl = (script: string) =>
  execFileSync('perl', ['-e', `require '${program}'; ${script}`], { encoding: 'utf8' })

// The kernel's answer, and /proc, which a kernel without it has.
describe.each([
  ['sock_diag', 'look_at_listeners(); print "$_\\n" for listeners()'],
  [
    '/proc/net',
    'for my $t (qw(tcp tcp6 udp udp6)) { print "$_\\n" for keys %{ parse_table($t, read_table($t)) } }',
  ],
])('%s', (_name, script) => {
  const found = () => {
    const lines = perl(script).split('\n').slice(0, -1)
    return lines.map((line) => {
      const listener = parseListener(line)
      if (!listener) throw new Error(`not a listener: ${line}`)
      return `${listener.proto} ${listener.address} ${listener.port}`
    })
  }

  test('finds listeners of both families, on any address', async () => {
    const wanted = [
      `tcp 127.0.0.1 ${await listen('127.0.0.1')}`,
      `tcp 127.0.0.53 ${await listen('127.0.0.53')}`,
      `tcp 0.0.0.0 ${await listen('0.0.0.0')}`,
      `tcp :: ${await listen('::')}`,
      `tcp ::1 ${await listen('::1')}`,
      `udp 127.0.0.1 ${(await bind('127.0.0.1')).port}`,
      `udp 0.0.0.0 ${(await bind('0.0.0.0')).port}`,
      `udp ::1 ${(await bind('::1', 'udp6')).port}`,
    ]
    expect(found()).toEqual(expect.arrayContaining(wanted))
    for (const each of open.splice(0)) each.close()
    await expect.poll(() => found().filter((line) => wanted.includes(line))).toEqual([])
  })

  test('connections are none, and sockets that talk to somebody', async () => {
    const port = await listen('127.0.0.1')
    const client = connect({ host: '127.0.0.1', port })
    await once(client, 'connect')
    const talks = await bind('127.0.0.1')
    const waits = await bind('127.0.0.1')
    talks.socket.connect(waits.port, '127.0.0.1')
    await once(talks.socket, 'connect')
    const now = found()
    const { localPort } = client
    client.destroy()
    expect(now).not.toContain(`tcp 127.0.0.1 ${localPort}`)
    expect(now).not.toContain(`udp 127.0.0.1 ${talks.port}`)
    expect(now).toContain(`udp 127.0.0.1 ${waits.port}`)
  })

  test('hundreds of them', async () => {
    const ports = await Promise.all(Array.from({ length: 700 }, () => listen('127.0.0.2')))
    expect(found()).toEqual(expect.arrayContaining(ports.map((port) => `tcp 127.0.0.2 ${port}`)))
  })
})

test('the ports that podman keeps for its containers are none, whichever of its programs has them', async () => {
  const port = await listen('127.0.0.3')
  // A process by another name with a port of its own, until its parent ends.
  const keeper = (name: string, more = '') => `{
    socket(my $s, 2, 1, 6); bind($s, pack('S n C4 x8', 2, 0, 127, 0, 0, 3)); listen($s, 1);
    push @ports, unpack('x2 n', getsockname($s)); pipe(my $end, my $parent); pipe(my $from, my $ready);
    if (!fork) {
      close $_ for $parent, @parents; $0 = '${name}${more}';
      open(my $comm, '>', '/proc/self/comm'); print $comm '${name}'; close $comm; close $ready; <$end>; exit;
    }
    close $ready; <$from>; push @parents, $parent;
  }`
  const script = `use strict; our $CONMON = '/'; my (@parents, @ports);
    ${keeper('conmon')} ${keeper('podman')} ${keeper('podman', ' system service tcp:127.0.0.3:0')} ${keeper('nginx')}
    my %seen; for (1 .. 2) { look_at_listeners(); $seen{$_}++ for grep { /^tcp 0300007F/ } listeners(); }
    print join ' ', map { $seen{ sprintf 'tcp 0300007F %04X', $_ } // 0 } @ports, ${port};`
  expect(perl(script)).toBe('0 0 2 2 2')
})

test('the ports that k3s has the kernel choose for itself are none; its API is one, and what others have', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'tcolima-k3s-'))
  try {
    // This process is played to be k3s.
    const chosen = await listen('127.0.0.4')
    const api = createServer()
    const below = 32_767
    api.listen(below, '127.0.0.4')
    await once(api, 'listening')
    open.push(api)
    const procs = path.join(folder, 'cgroup.procs')
    const look = `our ($CONMON, $K3S); $CONMON = '/no'; $K3S = '${procs}'; look_at_listeners(); print "$_\\n" for grep { /^tcp 0400007F/ } sort(listeners())`
    const told = (port: number) => `tcp 0400007F ${port.toString(16).toUpperCase().padStart(4, '0')}\n`
    expect(perl(look)).toBe([told(below), told(chosen)].sort().join(''))
    writeFileSync(procs, `1\n${process.pid}\n`)
    expect(perl(look)).toBe(told(below))
    writeFileSync(procs, '1\n')
    expect(perl(look)).toBe([told(below), told(chosen)].sort().join(''))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test('a look says whether anything changed', () => {
  // Other programs of this host may come between: two looks that saw the same are enough.
  const script = `
    my %seen; my $list = sub { join ',', sort(listeners()) };
    look_at_listeners(); my $before = $list->();
    for (1 .. 50) { my $changed = look_at_listeners(); $seen{$changed} = 1 if $before eq $list->(); $before = $list->(); }
    socket(my $s, 2, 1, 6); bind($s, pack('S n C4 x8', 2, 0, 127, 0, 0, 1)); listen($s, 1);
    print join(' ', keys %seen), ' then ', look_at_listeners();`
  expect(perl(script)).toMatch(/0.* then 1$/)
})

test('UDP ports of clients are told when they have been there for a second', () => {
  const turns = [
    [
      '0',
      'udp 00000000 8000',
      'udp 00000000 0035',
      'tcp 00000000 8000',
      'udp6 00000000000000000000000000000000 7FFF',
    ],
    ['50', 'udp 00000000 8000', 'udp 00000000 8001'],
    ['99', 'udp 00000000 8000', 'udp 00000000 8001'],
    ['100', 'udp 00000000 8000', 'udp 00000000 8001'],
    // The first has been told and stays; the second was away, and is new again.
    ['120', 'udp 00000000 8000'],
    ['150', 'udp 00000000 8000', 'udp 00000000 8001'],
    ['249', 'udp 00000000 8000', 'udp 00000000 8001'],
    ['250', 'udp 00000000 8000', 'udp 00000000 8001'],
  ]
  const script = `my (%new, %told); for (split /;/, '${turns.join(';')}') {
    my ($now, @all) = split /,/; my @s = settled(\\%new, \\%told, 1000 + $now, 32768, 60999, @all);
    %told = map { $_ => 1 } @s; print "$now ", join(',', @s), ' new ', join(',', sort keys %new), "\\n" }`
  expect(perl(script).split('\n').slice(0, -1)).toEqual([
    '0 udp 00000000 0035,tcp 00000000 8000,udp6 00000000000000000000000000000000 7FFF new udp 00000000 8000',
    '50  new udp 00000000 8000,udp 00000000 8001',
    '99  new udp 00000000 8000,udp 00000000 8001',
    '100 udp 00000000 8000 new udp 00000000 8001',
    '120 udp 00000000 8000 new ',
    '150 udp 00000000 8000 new udp 00000000 8001',
    '249 udp 00000000 8000 new udp 00000000 8001',
    '250 udp 00000000 8000,udp 00000000 8001 new ',
  ])
})

describe('what listens in the network of a process', () => {
  const listens = (pid: number, ...ports: number[]) =>
    perl(
      `my $l = listens_inside(${pid}, ${ports.join(',')}); print defined $l ? $l ? 'all' : 'not all' : 'ended'`,
    )

  test('all of the ports, which others can reach', async () => {
    const [one, two, own] = [await listen('0.0.0.0'), await listen('::'), await listen('127.0.0.1')]
    const ownToo = await listen('::1')
    expect(listens(process.pid, one)).toBe('all')
    expect(listens(process.pid, one, two)).toBe('all')
    expect(listens(process.pid, one, own)).toBe('not all')
    expect(listens(process.pid, ownToo)).toBe('not all')
  })

  test('a process that has ended', () => {
    expect(listens(2 ** 22 + 1, 80)).toBe('ended')
  })
})
