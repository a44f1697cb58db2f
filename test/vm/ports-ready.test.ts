import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { terminate } from '../../src/host/processes.ts'
import { docker, eventually, processesOf, tcolima } from './harness.ts'

const profile = 'shared'
const { home } = inject('shared')
const guest = (script: string) => tcolima(['ssh', profile, '--', 'sh', '-c', script])
const server = 'mkdir /w; echo page >/w/index.html; exec httpd -f -p 80 -h /w'

async function right(args: string[]): Promise<string> {
  const result = await docker(profile, args)
  expect(result.exitCode, `${args.join(' ')}: ${String(result.stderr)}`).toBe(0)
  return String(result.stdout)
}

/** What one connection to a port of the host brings: the page, or why not. */
async function get(port: number): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port })
  socket.setTimeout(30_000, () => socket.destroy(new Error('no answer')))
  socket.write('GET / HTTP/1.0\r\n\r\n')
  let answer = ''
  try {
    for await (const part of socket) answer += String(part)
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code ?? error)
  }
  return answer.split('\r\n\r\n')[1] ?? `no page: ${answer}`
}

const refused = 'ECONNREFUSED'

beforeAll(async () => {
  await docker(profile, ['rm', '-f', 'ready'])
})
afterAll(async () => {
  await docker(profile, ['rm', '-f', 'ready', 'plain'])
})

describe('a published port', () => {
  it('is there when docker run returns, and gone when docker rm does: 4 times', async () => {
    for (let turn = 0; turn < 4; turn++) {
      await right(['run', '-d', '--name', 'ready', '-p', '18090:80', 'busybox', 'sh', '-c', server])
      expect(await get(18090), `run ${turn}`).toBe('page\n')
      await right(['rm', '-f', 'ready'])
      expect(await get(18090), `run ${turn}`).toBe(refused)
    }
  })

  it('follows 3 starts and stops on one port', async () => {
    const run = `mkdir -p /w; echo page >/w/index.html; exec httpd -f -p 80 -h /w`
    await right(['create', '--name', 'ready', '-p', '18091:80', 'busybox', 'sh', '-c', run])
    for (let turn = 0; turn < 3; turn++) {
      await right(['start', 'ready'])
      expect(await get(18091), `start ${turn}`).toBe('page\n')
      await right(['stop', '-t', '0', 'ready'])
      expect(await get(18091), `stop ${turn}`).toBe(refused)
    }
    await right(['rm', '-f', 'ready'])
  })

  it('on UDP is found', async () => {
    await right(['run', '-d', '--name', 'ready', '-p', '18092:53/udp', 'busybox', 'sleep', '1000'])
    const { stdout } = await guest('/usr/lib/tcolima/listeners')
    expect(String(stdout)).toContain('udp 00000000 46AC')
    await right(['rm', '-f', 'ready'])
  })

  it('is there again after the agent was killed, and when docker run returns then', async () => {
    await right(['run', '-d', '--name', 'plain', '-p', '18093:80', 'busybox', 'sh', '-c', server])
    const { agent } = processesOf(home, profile)
    if (!agent) throw new Error('no agent')
    await terminate(agent, { graceMs: 0 })
    const again = await tcolima(['start', profile])
    expect(again.exitCode, String(again.stderr)).toBe(0)
    expect(await eventually(async () => ((await get(18093)) === 'page\n' ? true : undefined), 15_000)).toBe(
      true,
    )
    await right(['run', '-d', '--name', 'ready', '-p', '18094:80', 'busybox', 'sh', '-c', server])
    expect(await get(18094)).toBe('page\n')
    await right(['rm', '-f', 'plain', 'ready'])
    expect([await get(18093), await get(18094)]).toEqual([refused, refused])
  })
})

describe('without a proxy of the engine', () => {
  const restart = (change: string) =>
    guest(`sudo perl -0pi -e '${change}' /etc/docker/daemon.json && sudo systemctl restart docker`)

  beforeAll(async () => {
    const changed = await restart('s/\\{/{"userland-proxy":false,/')
    expect(changed.exitCode, String(changed.stderr)).toBe(0)
  })
  afterAll(async () => {
    await restart('s/"userland-proxy":false,//')
  })

  it.each(['18095:80', '127.0.0.1:18095:80'])('-p %s is there when docker run returns', async (publish) => {
    for (let turn = 0; turn < 3; turn++) {
      await right(['run', '-d', '--name', 'plain', '-p', publish, 'busybox', 'sh', '-c', server])
      expect((await guest('pgrep docker-proxy')).stdout).toBe('')
      expect(await get(18095)).toBe('page\n')
      await right(['rm', '-f', 'plain'])
      expect(await get(18095)).toBe(refused)
    }
  })
})

describe('a NAT rule that publishes a port without a listener', () => {
  it('is followed, as portmap of CNI writes it', async () => {
    await right(['run', '-d', '--name', 'plain', 'busybox', 'sh', '-c', server])
    const address = await right(['inspect', '-f', '{{.NetworkSettings.IPAddress}}', 'plain'])
    const rules = (act: string) => `
      sudo iptables -t nat ${act} PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT
      sudo iptables -t nat ${act} CNI-HOSTPORT-DNAT -p tcp -m multiport --dports 18096 -j CNI-DN-1
      sudo iptables -t nat ${act} CNI-DN-1 -p tcp -m tcp --dport 18096 -j DNAT --to-destination ${address}:80`
    const chains = (act: string) =>
      `for c in CNI-HOSTPORT-DNAT CNI-DN-1; do sudo iptables -t nat ${act} $c; done`
    const added = await guest(`${chains('-N')}; ${rules('-A')}`)
    expect([added.exitCode, added.stderr]).toEqual([0, ''])
    await eventually(async () => ((await get(18096)) === 'page\n' ? true : undefined), 15_000)
    const removed = await guest(`${rules('-D')}; ${chains('-X')}`)
    expect([removed.exitCode, removed.stderr]).toEqual([0, ''])
    await eventually(async () => ((await get(18096)) === refused ? true : undefined), 15_000)
    await right(['rm', '-f', 'plain'])
  })
})
