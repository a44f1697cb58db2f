import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type ListenOptions, type Server } from 'node:net'
import { networkInterfaces } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import type { PortChange, PortStatus } from '../../src/agent/api.ts'
import { instancePaths } from '../../src/instance/paths.ts'
import { terminate } from '../../src/host/processes.ts'
import { exchange, serveIn, type Where } from './serve.ts'
import { endProcesses, eventually, processesOf, tcolima, temporaryFolder, userEnv } from './harness.ts'

const profile = 'rules'
const shared = inject('shared')
const { folder, remove } = temporaryFolder()
const serve = (...specs: string[]) => serveIn(profile, specs)
const env = userEnv(shared, { SSH_AUTH_SOCK: path.join(folder, 'agent.sock') })
const servers: Server[] = []
// The issue asks for a second; software emulation on two cores has longer.
const appearMs = 5000
// After a connection or the agent was lost.
const againMs = 15_000

/** A server of the host that gives back what comes, after `greeting`. */
async function hostServer(where: ListenOptions, greeting: string): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => socket.destroy())
    socket.write(greeting)
    socket.pipe(socket)
  }).listen(where)
  await once(server, 'listening')
  servers.push(server)
  return server
}

/** What comes back for a text, as soon as anybody answers; waits for that. */
async function answered(where: Where, text: string, limitMs = appearMs): Promise<string> {
  return await eventually(async () => {
    const answer = await exchange(where, text).catch(() => Buffer.alloc(0))
    return answer.length > 0 ? answer.toString() : undefined
  }, limitMs)
}

async function refused(host: string, port: number): Promise<boolean> {
  const socket = connect({ host, port })
  try {
    await once(socket, 'connect')
    return false
  } catch {
    return true
  } finally {
    socket.destroy()
  }
}

const on = (port: number, host = '127.0.0.1') => ({ host, port })
const inFolder = (name: string) => path.join(instancePaths(shared.home, profile).folder, name)

async function ports(): Promise<PortStatus[]> {
  const { stdout, stderr, exitCode } = await tcolima(['ports', profile, '--json'])
  expect(exitCode, String(stderr)).toBe(0)
  return String(stdout)
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as PortStatus)
}

beforeAll(async () => {
  const host = await hostServer({ host: '127.0.0.1', port: 0 }, 'host port: ')
  await hostServer({ path: path.join(folder, 'host.sock') }, 'host socket: ')
  await hostServer({ path: path.join(folder, 'agent.sock') }, 'host agent: ')
  const { config } = instancePaths(shared.home, profile)
  mkdirSync(path.dirname(config), { recursive: true })
  writeFileSync(
    config,
    `portForwards:
- {guestPort: 17001, hostPort: 27001}
- {guestPortRange: [17010, 17019], hostPortRange: [27010, 27019]}
- {guestPort: 17020, guestIP: 0.0.0.0, guestIPMustBeZero: false, ignore: true}
- {guestIPMustBeZero: true, guestPort: 17021, hostIP: 127.0.0.1}
- {guestPort: 17030, static: true, proto: tcp}
- {guestSocket: /tmp/guest.sock, hostSocket: app.sock}
- {guestPort: 17040, hostSocket: port.sock}
- {guestSocket: /tmp/guest.sock, hostPort: 27041}
- {guestPort: 17050, hostPort: ${(host.address() as AddressInfo).port}, reverse: true}
- {guestSocket: /tmp/host.sock, hostSocket: ${JSON.stringify(path.join(folder, 'host.sock'))}, reverse: true}
`,
  )
  const started = await tcolima(
    [
      'start',
      profile,
      '--cpus',
      '2',
      '--memory',
      '1',
      '--disk',
      '10',
      '--mount',
      'none',
      '--ssh-agent',
      '--activate=false',
    ],
    { env, timeout: 900_000 },
  )
  expect(started.exitCode, String(started.stderr)).toBe(0)
}, 900_000)

afterAll(async () => {
  await tcolima(['delete', '-f', '--data', profile])
  await endProcesses(shared.home, profile)
  for (const server of servers) server.close()
  remove()
}, 120_000)

describe('rules', () => {
  it('decide where a listener appears', async () => {
    const end = await serve(
      'echo:0.0.0.0:17001',
      'echo:127.0.0.1:17015',
      'echo:0.0.0.0:17020',
      'echo:0.0.0.0:17021',
      'echo:127.0.0.1:17040',
    )
    expect(await answered(on(27001), 'one')).toBe('one')
    expect(await answered(on(27015), 'range')).toBe('range')
    expect(await answered({ path: inFolder('port.sock') }, 'socket')).toBe('socket')
    expect(await answered(on(17021), 'loopback only')).toBe('loopback only')
    expect([await refused('127.0.0.1', 17001), await refused('127.0.0.1', 17020)]).toEqual([true, true])
    // B21: on no other address of the host.
    const addresses = Object.values(networkInterfaces()).flatMap((all) => all ?? [])
    for (const { address, internal, family } of addresses) {
      if (internal || family !== 'IPv4') continue
      expect([await refused(address, 17021), await refused(address, 27015)]).toEqual([true, true])
    }
    await end()
    await eventually(async () => ((await refused('127.0.0.1', 27001)) ? true : undefined), appearMs)
    await eventually(() => (existsSync(inFolder('port.sock')) ? undefined : true), appearMs)
  })

  it('B20: both families of the host lead to the guest', async () => {
    const end = await serve('echo:0.0.0.0:17060', 'echo:127.0.0.1:17061', 'echo6:::1:17062')
    for (const port of [17060, 17061, 17062]) {
      for (const host of ['127.0.0.1', '::1']) expect(await answered(on(port, host), 'x')).toBe('x')
    }
    await end()
  })

  it('a static one is there before its listener, and resets who comes early', async () => {
    const early = connect(on(17030))
    expect(await once(early, 'error')).toMatchObject([{ code: 'ECONNRESET' }])
    const end = await serve('echo:127.0.0.1:17030')
    expect(await answered(on(17030), 'x')).toBe('x')
    await end()
  })
})

describe('UDP', () => {
  async function echo(socket: UdpSocket, port: number, data: Buffer): Promise<boolean> {
    for (let attempt = 0; attempt < 5; attempt++) {
      socket.send(data, port, '127.0.0.1')
      const timeout = AbortSignal.timeout(5000)
      const answer = await once(socket, 'message', { signal: timeout }).catch(() => undefined)
      if (answer) return data.equals(answer[0] as Buffer)
    }
    return false
  }

  it.each([
    ['published', '0.0.0.0', 15353],
    ['on the loopback', '127.0.0.1', 15354],
  ])('B22: %s', async (_, address, port) => {
    for (const run of ['first', 'after the program was started again']) {
      const end = await serve(`udp:${address}:${port}`)
      await eventually(
        async () =>
          (await ports()).some((each) => each.proto === 'udp' && each.hostPort === port) ? true : undefined,
        appearMs,
      )
      const clients = [createSocket('udp4'), createSocket('udp4'), createSocket('udp4')]
      for (const size of [1, 1400, 8000]) {
        for (const [at, client] of clients.entries()) {
          expect(await echo(client, port, Buffer.alloc(size, at + 1)), `${run}, ${size} bytes`).toBe(true)
        }
      }
      for (const client of clients) client.close()
      await end()
    }
  })
})

describe('streams', () => {
  it.each([
    ['on all addresses', '0.0.0.0'],
    ['on the loopback', '127.0.0.1'],
  ])('B23, B24: %s', async (_, address) => {
    const end = await serve(`count:${address}:17070`, `echo:${address}:17071`)
    expect(await answered(on(17070), '12345', 10_000)).toBe('OK 5')
    for (const size of [1_000_000, 20_000_000]) {
      expect((await exchange(on(17070), Buffer.alloc(size, 120))).toString()).toBe(`OK ${size}`)
    }
    const data = Buffer.alloc(30_000_000)
    for (let at = 0; at < data.length; at += 4) data.writeUInt32LE(at, at)
    expect(data.equals(await exchange(on(17071), data))).toBe(true)
    // QEMU alone would reset most of them after a minute.
    const many = Array.from({ length: 60 }, (_, at) => `connection ${at}`)
    const answers = await Promise.all(many.map((text) => exchange(on(17071), text)))
    expect(answers.map(String)).toEqual(many)
    await end()
  })
})

describe('a port that is taken', () => {
  it('B19: is told with its holder, disturbs no other, and comes once it is free', async () => {
    const theirs = await hostServer({ host: '127.0.0.1', port: 17080 }, 'theirs: ')
    const end = await serve('echo:127.0.0.1:17080', 'echo:127.0.0.1:17081')
    expect(await answered(on(17081), 'x')).toBe('x')
    const failed = (await ports()).find(
      ({ hostAddress, hostPort }) => hostAddress === '127.0.0.1' && hostPort === 17080,
    )
    expect(failed).toMatchObject({ state: 'failed', guestPort: 17080 })
    expect(failed?.reason).toMatch(
      new RegExp(`^port 17080 of the host is taken by .* \\(process ${process.pid}\\)$`),
    )
    expect(String((await tcolima(['status', profile])).stdout)).toContain(failed?.reason)
    expect(readFileSync(instancePaths(shared.home, profile).agentLog, 'utf8')).toContain(failed?.reason)
    // The other family is the guest's all the same.
    expect(await answered(on(17080, '::1'), 'x')).toBe('x')
    theirs.close()
    await eventually(
      async () =>
        (await exchange(on(17080), 'x').catch(() => undefined))?.toString() === 'x' ? true : undefined,
      appearMs,
    )
    await end()
    // B18
    await eventually(async () => {
      const server = createServer().listen(17080, '127.0.0.1')
      const free = await once(server, 'listening').then(
        () => true,
        () => undefined,
      )
      server.close()
      return free
    }, appearMs)
  })
})

describe('many ports at once', () => {
  it('B28: all come, commands answer meanwhile, and all are given back', async () => {
    const listen = `use Socket; my @all; for my $port (20000 .. 20999) {
      socket(my $s, AF_INET, SOCK_STREAM, 0) or die; bind($s, pack_sockaddr_in($port, INADDR_ANY)) or die; listen($s, 5);
      push @all, $s } sleep 600`
    const start = 'ulimit -n 2000; nohup perl -e "$1" >/dev/null 2>&1 & echo $!'
    const { stdout } = await tcolima(['ssh', profile, '--', 'sh', '-c', start, 'sh', listen])
    const began = performance.now()
    expect((await tcolima(['ssh', profile, '--', 'true'])).exitCode).toBe(0)
    expect(performance.now() - began).toBeLessThan(10_000)
    for (const port of [20_000, 20_500, 20_999]) {
      await eventually(async () => ((await refused('127.0.0.1', port)) ? undefined : true), 60_000)
    }
    await tcolima(['ssh', profile, '--', 'kill', String(stdout)])
    for (const port of [20_000, 20_500, 20_999]) {
      await eventually(async () => ((await refused('127.0.0.1', port)) ? true : undefined), 60_000)
    }
  })
})

describe('the command', () => {
  it('names processes and containers', async () => {
    const end = await serve('echo:0.0.0.0:17090')
    await answered(on(17090), 'x')
    const all = await ports()
    expect(
      all.find(({ hostPort, hostAddress }) => hostPort === 17090 && hostAddress === '0.0.0.0'),
    ).toMatchObject({
      proto: 'tcp',
      via: 'hostfwd',
      guestPort: 17090,
      state: 'active',
      process: expect.stringMatching(/^perl \(\d+\)$/),
    })
    expect(all.filter(({ reverse }) => reverse).map(({ guestPort, state }) => [guestPort, state])).toEqual([
      [17050, 'active'],
      [0, 'active'],
      [0, 'active'],
    ])
    const { stdout } = await tcolima(['ports', profile])
    expect(String(stdout)).toMatch(
      /^0\.0\.0\.0:17090 +0\.0\.0\.0:17090 +tcp +hostfwd +perl \(\d+\) +active$/m,
    )
    await end()
  })

  it('tells each change while it watches, until it is interrupted', async () => {
    const watching = tcolima(['ports', profile, '--watch', '--json'])
    let said = ''
    watching.stdout?.on('data', (chunk: Buffer) => {
      said += chunk.toString()
    })
    const changes = () =>
      said
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as PortChange)
        .filter(({ port }) => port.hostPort === 17095 && port.hostAddress === '127.0.0.1')
        .map(({ type }) => type)
    await eventually(() => (said.includes('"guestPort":17050') ? true : undefined), 10_000)
    const end = await serve('echo:127.0.0.1:17095')
    await eventually(() => (changes().includes('added') ? true : undefined), 10_000)
    await end()
    await eventually(() => (changes().at(-1) === 'removed' ? true : undefined), 10_000)
    watching.kill('SIGINT')
    expect((await watching).exitCode).toBe(130)
  })
})

describe('sockets', () => {
  it('of the guest are on the host, for their user alone', async () => {
    const end = await serve('unix:/tmp/guest.sock')
    expect(await answered({ path: inFolder('app.sock') }, 'in')).toBe('in')
    expect(await answered(on(27041), 'port')).toBe('port')
    expect(statSync(inFolder('app.sock')).mode & 0o777).toBe(0o600)
    await end()
  })

  /** What a client in the guest gets from a socket or a port of it for a text. */
  async function inGuest(where: string, text: string): Promise<string> {
    const client = String.raw`use Socket; my ($where, $text) = @ARGV; my $unix = $where =~ m{^/};
      socket(my $s, $unix ? AF_UNIX : AF_INET, SOCK_STREAM, 0) or die;
      connect($s, $unix ? pack_sockaddr_un($where) : pack_sockaddr_in($where, inet_aton('127.0.0.1'))) or die "connect: $!";
      syswrite($s, $text); shutdown($s, 1); while (sysread($s, my $data, 4096)) { print $data }`
    const { stdout, stderr } = await tcolima(['ssh', profile, '--', 'perl', '-e', client, where, text])
    return String(stdout) + String(stderr)
  }

  it('and ports of the host are in the guest, and its SSH agent', async () => {
    expect(await inGuest('/tmp/host.sock', 'x')).toBe('host socket: x')
    expect(await inGuest('17050', 'x')).toBe('host port: x')
    const { stdout } = await tcolima([
      'ssh',
      profile,
      '--',
      'sh',
      '-c',
      'echo "$SSH_AUTH_SOCK"; stat -c "%a %U" /tmp/host.sock; id -un',
    ])
    const [agent = '', owner, user] = String(stdout).split('\n')
    expect(owner).toBe(`600 ${user}`)
    expect(await inGuest(agent, 'x')).toBe('host agent: x')
    expect(await inGuest('/run/host-services/ssh-auth.sock', 'x')).toBe('host agent: x')
  })

  it.each(['the SSH connection was cut', 'the agent was killed'])(
    'B17: all works again after %s',
    async (how) => {
      const end = await serve('echo:127.0.0.1:17096', 'unix:/tmp/guest.sock')
      await answered(on(17096), 'x')
      if (how.includes('SSH')) {
        await tcolima([
          'ssh',
          profile,
          '--',
          'sh',
          '-c',
          'sudo pkill -f "^sshd-session: .*@" || sudo pkill -f "^sshd: .*@"',
        ])
      } else {
        const { agent } = processesOf(shared.home, profile)
        if (agent) await terminate(agent, { graceMs: 0 })
        await tcolima(['start', profile, '--ssh-agent', '--activate=false'], { env })
      }
      expect(await answered(on(17096), 'x', againMs)).toBe('x')
      expect(await answered({ path: inFolder('app.sock') }, 'x', againMs)).toBe('x')
      await eventually(
        async () => ((await inGuest('/tmp/host.sock', 'x')) === 'host socket: x' ? true : undefined),
        againMs,
      )
      await eventually(
        async () => ((await inGuest('17050', 'x')) === 'host port: x' ? true : undefined),
        againMs,
      )
      await end()
    },
  )
})
