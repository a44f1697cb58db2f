import { mkdtempSync, rmSync } from 'node:fs'
import type { Server } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { execa } from 'execa'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { PortStatus } from '../../../src/agent/api.ts'
import { fakeAgent, runningInstance, send } from './fake-agent.ts'

const main = path.resolve(import.meta.dirname, '../../../dist/main.cjs')

let home: string
let server: Server | undefined

beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), 'tcolima-ports-'))
})
afterEach(() => {
  server?.close()
  server = undefined
  rmSync(home, { recursive: true, force: true })
})

const web: PortStatus = {
  proto: 'tcp',
  hostAddress: '0.0.0.0',
  hostPort: 8080,
  via: 'hostfwd',
  guestAddress: '',
  guestPort: 80,
  state: 'active',
  process: 'docker-proxy (7)',
  container: 'web',
}
const all: PortStatus[] = [
  web,
  {
    ...{ proto: 'udp', hostAddress: '::1', hostPort: 53, via: 'ssh', guestAddress: '::1', guestPort: 53 },
    ...{ state: 'failed', reason: 'port 53 of the host is taken', process: 'dnsmasq (8)' },
  },
  {
    ...{
      proto: 'tcp',
      hostAddress: '',
      hostPort: 0,
      hostSocket: '/h',
      via: 'ssh',
      guestAddress: '',
      guestPort: 0,
    },
    ...{ guestSocket: '/g', state: 'active', reverse: true },
  },
]

function ports(...args: string[]) {
  return execa(process.execPath, [main, 'ports', 'work', ...args], {
    env: { ...process.env, TCOLIMA_HOME: home },
    extendEnv: false,
    reject: false,
    stdin: 'ignore',
    timeout: 20_000,
  })
}

it('lists both ends, the way, who uses it, and why one failed', async () => {
  const folder = runningInstance(home, 'work')
  server = await fakeAgent(path.join(folder, 'agent.sock'), (socket, { method }) => {
    send(socket, method === 'ports' ? { result: all } : { error: { code: 'usage', message: method } })
    socket.end()
  })
  const text = await ports()
  expect([text.exitCode, text.stderr]).toEqual([0, ''])
  expect(text.stdout.split('\n').map((line) => line.split(/ {2,}/))).toEqual([
    ['GUEST', 'HOST', 'PROTOCOL', 'VIA', 'USED BY', 'STATE'],
    ['0.0.0.0:80', '0.0.0.0:8080', 'tcp', 'hostfwd', 'web', 'active'],
    ['[::1]:53', '[::1]:53', 'udp', 'ssh', 'dnsmasq (8)', 'failed: port 53 of the host is taken'],
    ['/g', '/h', 'tcp', 'ssh, reverse', 'active'],
  ])
  const json = await ports('--json')
  expect(json.stdout.split('\n').map((line) => JSON.parse(line) as PortStatus)).toEqual(all)
})

it('watches until the machine ends', async () => {
  const folder = runningInstance(home, 'work')
  server = await fakeAgent(path.join(folder, 'agent.sock'), (socket, { method }) => {
    expect(method).toBe('watchPorts')
    send(socket, { change: { type: 'added', port: web } })
    send(socket, { change: { type: 'removed', port: web } })
    send(socket, { result: {} })
    socket.end()
  })
  const json = await ports('--watch', '--json')
  expect(json.exitCode).toBe(0)
  expect(json.stdout.split('\n').map((line) => JSON.parse(line) as object)).toMatchObject([
    { type: 'added', port: web },
    { type: 'removed', port: web },
  ])
  expect((await ports('-w')).stdout).toMatch(
    /^\S+Z added {3}0\.0\.0\.0:8080 -> 0\.0\.0\.0:80 tcp hostfwd web active\n/,
  )
})

it('interrupted, it ends without a word', async () => {
  const folder = runningInstance(home, 'work')
  server = await fakeAgent(path.join(folder, 'agent.sock'), (socket) => {
    send(socket, { change: { type: 'added', port: web } })
  })
  const watching = ports('--watch')
  watching.stdout?.once('data', () => watching.kill('SIGINT'))
  const { exitCode, stderr } = await watching
  expect([exitCode, stderr]).toEqual([130, ''])
})

it('a machine that does not run has none', async () => {
  const { exitCode, stderr } = await ports()
  expect([exitCode, stderr]).toEqual([3, expect.stringContaining('there is no machine work')])
})
