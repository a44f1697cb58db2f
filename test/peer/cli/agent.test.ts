import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { Server } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { execa } from 'execa'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { askAgent } from '../../../src/agent/ask.ts'
import { callAgent } from '../../../src/agent/client.ts'
import { listEntry } from '../../../src/cli/commands/list.ts'
import { forceStop } from '../../../src/cli/force-stop.ts'
import { shortSocketLeftovers } from '../../../src/cli/leftovers.ts'
import { waitTakenBack } from '../../../src/cli/take-back.ts'
import { currentHost } from '../../../src/host/platform.ts'
import { identify, isAlive, type ProcessId } from '../../../src/host/processes.ts'
import type { ProgressEvent } from '../../../src/host/progress.ts'
import { instancePaths } from '../../../src/instance/paths.ts'
import { viewInstance } from '../../../src/instance/view.ts'
import { runInProcess } from '../../unit/cli/in-process.ts'
import { fakeAgent, runningInstance, send } from './fake-agent.ts'

const main = path.resolve(import.meta.dirname, '../../../dist/main.cjs')

let home: string
let socketPath: string
let server: Server | undefined
const children: ReturnType<typeof spawn>[] = []

beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), 'tcolima-agent-'))
  socketPath = path.join(home, 'agent.sock')
})

afterEach(() => {
  server?.close()
  server = undefined
  for (const child of children.splice(0)) child.kill('SIGKILL')
  rmSync(home, { recursive: true, force: true })
})

/** A process that takes no notice of SIGTERM. */
async function stubborn(): Promise<ProcessId> {
  const child = spawn('sh', ['-c', 'trap "" TERM; echo up; while :; do sleep 1; done'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  children.push(child)
  await new Promise((resolve) => child.stdout?.once('data', resolve))
  return identify(child.pid ?? 0)!
}

describe('callAgent', () => {
  it('hands events on and gives the result', async () => {
    server = await fakeAgent(socketPath, (socket) => {
      send(socket, { event: { type: 'step', step: 'power off', state: 'started' } })
      send(socket, { event: { type: 'note', step: 'power off', text: 'ü' } })
      send(socket, { result: {} })
      socket.end()
    })
    const events: ProgressEvent[] = []
    await callAgent(socketPath, 'stop', { force: false }, { report: (event) => events.push(event) })
    expect(events.map(({ type }) => type)).toEqual(['step', 'note'])
  })

  it.each<[string, (socket: Parameters<typeof send>[0]) => void, object]>([
    [
      'the error it was answered',
      (socket) => send(socket, { error: { code: 'config', message: 'm', hint: 'h', step: 'disks' } }),
      { code: 'config', message: 'm', hint: 'h', step: 'disks' },
    ],
    ['that the agent is at its end', (socket) => socket.destroy(), { code: 'not-running' }],
    ['an answer that is none', (socket) => socket.write('not JSON\n'), { code: 'failed' }],
    ['that no answer comes', () => undefined, { code: 'failed' }],
  ])('throws %s', async (_what, answer, error) => {
    server = await fakeAgent(socketPath, answer)
    await expect(callAgent(socketPath, 'status', {}, { limitMs: 300 })).rejects.toMatchObject(error)
  })

  it('explains an agent that died at work with the end of its log', async () => {
    const log = path.join(home, 'agent.log')
    writeFileSync(log, 'first\nlast words\n')
    server = await fakeAgent(socketPath, (socket) => {
      socket.end(`${JSON.stringify({ event: { type: 'note', step: 's', text: 't' } })}\n`)
    })
    await expect(callAgent(socketPath, 'status', {}, { log })).rejects.toMatchObject({
      code: 'failed',
      log: { path: log, lines: ['first', 'last words'] },
    })
  })

  it('closes the connection on abort', async () => {
    const abort = new AbortController()
    let closed = false
    server = await fakeAgent(socketPath, (socket) => {
      socket.on('close', () => {
        closed = true
      })
      setTimeout(() => abort.abort(), 50)
    })
    const call = callAgent(socketPath, 'stop', { force: false }, { signal: abort.signal })
    await expect(call).rejects.toMatchObject({ code: 'cancelled' })
    await expect.poll(() => closed).toBe(true)
  })

  it('throws not-running where nobody listens', async () => {
    await expect(callAgent(socketPath, 'status', {})).rejects.toMatchObject({ code: 'not-running' })
  })
})

describe('askAgent', () => {
  it.each([
    ['that answers that something does not run is asked once', 'answers', 1],
    ['at its end is asked again, and a new one if there is one', 'ends', 3],
  ])('an agent %s', async (_what, does, times) => {
    mkdirSync(path.join(home, 'w'))
    const paths = instancePaths(home, 'w')
    let asked = 0
    server = await fakeAgent(path.join(paths.folder, paths.agentSocketName), (socket) => {
      asked++
      if (does === 'answers') send(socket, { error: { code: 'not-running', message: 'the other does not' } })
      socket.end()
    })
    await expect(askAgent(home, paths, currentHost(), 'status', {})).rejects.toMatchObject({
      code: 'not-running',
      message: does === 'answers' ? 'the other does not' : 'no agent looks after this machine',
    })
    expect(asked).toBe(times)
  })
})

describe('an interrupted start', () => {
  const wait = async (limitMs?: number) => {
    const paths = instancePaths(home, '.')
    return await waitTakenBack(paths, { platform: 'linux' }, limitMs)
  }

  it('is over when the agent is gone', async () => {
    const own = await fakeAgent(socketPath, (socket) => {
      send(socket, { result: { phase: 'starting' } })
      socket.end()
    })
    setTimeout(() => own.close(), 400)
    expect(await wait()).toBe(true)
    expect(own.listening).toBe(false)
  })

  it('does not wait for a machine that ran before', async () => {
    server = await fakeAgent(socketPath, (socket) => {
      send(socket, { result: { phase: 'running' } })
      socket.end()
    })
    expect(await wait()).toBe(true)
  })

  it('is not waited for without end', async () => {
    server = await fakeAgent(socketPath, (socket) => {
      send(socket, { result: { phase: 'starting' } })
      socket.end()
    })
    expect(await wait(300)).toBe(false)
  })
})

describe('forceStop', () => {
  it('ends an agent that hangs, and QEMU, and nothing counts as running', async () => {
    const [agent, qemu] = [await stubborn(), await stubborn()]
    runningInstance(home, 'work', qemu)
    const paths = instancePaths(home, 'work')
    writeFileSync(paths.lock, JSON.stringify({ owner: agent, purpose: 'agent', token: 't' }))
    await forceStop(paths)
    expect([isAlive(agent), isAlive(qemu)]).toEqual([false, false])
    const view = viewInstance(home, 'work')
    expect([view?.status, view?.reason]).toEqual(['Stopped', undefined])
  })

  it('leaves another command, and a process that only has the pid, alone', async () => {
    const [command, other] = [await stubborn(), await stubborn()]
    runningInstance(home, 'work', { ...other, started: 'once' })
    const paths = instancePaths(home, 'work')
    writeFileSync(paths.lock, JSON.stringify({ owner: command, purpose: 'delete', token: 't' }))
    await forceStop(paths)
    expect([isAlive(command), isAlive(other)]).toEqual([true, true])
  })
})

describe('status', () => {
  const status = async (...more: string[]) =>
    await execa(process.execPath, [main, 'status', 'work', ...more], {
      env: { PATH: process.env.PATH, HOME: home, TCOLIMA_HOME: home },
      extendEnv: false,
      reject: false,
      stdin: 'ignore',
    })

  it('shows what the agent knows', async () => {
    const folder = runningInstance(home, 'work')
    const mount = {
      location: '/src',
      mountPoint: '/dst',
      writable: true,
      state: 'failed',
      detail: 'no sshfs',
    }
    const port = {
      hostAddress: '127.0.0.1',
      hostPort: 80,
      guestPort: 80,
      state: 'failed',
      reason: 'permission denied',
    }
    server = await fakeAgent(path.join(folder, 'agent.sock'), (socket) => {
      send(socket, { result: { phase: 'running', mounts: [mount], ports: [port], sockets: {} } })
      socket.end()
    })
    const text = await status()
    expect([text.exitCode, text.stderr]).toEqual([0, ''])
    for (const word of ['/dst from /src', 'no sshfs', '127.0.0.1:80', 'permission denied', '2GiB', 'tcg']) {
      expect(text.stdout).toContain(word)
    }
    expect(JSON.parse((await status('--json')).stdout)).toMatchObject({
      display_name: 'tcolima-work',
      driver: 'QEMU',
      runtime: 'docker',
      mount_type: 'sshfs',
      docker_socket: path.join(folder, 'docker.sock'),
      kubernetes: false,
      cpu: 2,
      memory: 2 ** 31,
      mounts: [mount],
      ports: [port],
    })
  })

  it('and list tell of a cluster', async () => {
    const folder = runningInstance(home, 'work')
    const file = path.join(folder, 'state.json')
    const state = JSON.parse(readFileSync(file, 'utf8')) as { config: object }
    const config = { ...state.config, kubernetes: { enabled: true, version: '', k3sArgs: [], port: 0 } }
    writeFileSync(file, JSON.stringify({ ...state, config, kubernetesPort: 6444 }))
    server = await fakeAgent(path.join(folder, 'agent.sock'), (socket) => {
      send(socket, { result: { phase: 'running', mounts: [], ports: [], sockets: {} } })
      socket.end()
    })
    expect((await status()).stdout).toMatch(/^kubernetes: +https:\/\/127\.0\.0\.1:6444$/m)
    expect(JSON.parse((await status('--json')).stdout)).toMatchObject({
      kubernetes: true,
      kubernetes_server: 'https://127.0.0.1:6444',
    })
    expect(listEntry(viewInstance(home, 'work')!).runtime).toBe('docker+k3s')
    const joined = { ...config, kubernetes: { ...config.kubernetes, join: 'default' } }
    writeFileSync(file, JSON.stringify({ ...state, config: joined }))
    expect((await status()).stdout).toMatch(/^kubernetes: +a node of default$/m)
    expect(JSON.parse((await status('--json')).stdout)).toMatchObject({
      kubernetes: true,
      kubernetes_join: 'default',
    })
  })

  it('does not hang on an agent that does', async () => {
    const folder = runningInstance(home, 'work')
    server = await fakeAgent(path.join(folder, 'agent.sock'), () => undefined)
    const began = performance.now()
    const result = await status()
    expect(performance.now() - began).toBeLessThan(8000)
    expect([result.exitCode, result.stderr]).toEqual([0, expect.stringContaining('no agent')])
  })
})

describe('doctor', () => {
  it('finds short sockets where nobody listens', async () => {
    const live = path.join(home, 'live.sock')
    const dead = path.join(home, 'dead.sock')
    server = await fakeAgent(live, () => undefined)
    // A process that is killed leaves its socket.
    const child = spawn(process.execPath, ['-e', `require('net').createServer().listen('${dead}')`])
    children.push(child)
    await expect.poll(() => existsSync(dead), { timeout: 5000 }).toBe(true)
    child.kill('SIGKILL')
    await new Promise((resolve) => child.once('exit', resolve))
    expect((await shortSocketLeftovers(home)).map(({ fix }) => fix)).toEqual([`rm ${dead}`])
    expect(await shortSocketLeftovers(path.join(home, 'none'))).toEqual([])
  })
})

it('a cluster that `kubernetes start` makes goes by the usual template too', async () => {
  const folder = runningInstance(home, 'default')
  mkdirSync(path.join(home, '_templates'))
  const template = 'kubernetes:\n  version: v1.33.1+k3s1\n  k3sArgs: []\n'
  writeFileSync(path.join(home, '_templates', 'default.yaml'), template)
  const asked: unknown[] = []
  server = await fakeAgent(path.join(folder, 'agent.sock'), (socket, { params }) => {
    asked.push(params)
    send(socket, { error: { code: 'busy', message: 'no' } })
    socket.end()
  })
  const { err } = await runInProcess(['kubernetes', 'start'], { HOME: home, TCOLIMA_HOME: home })
  expect(err).toContain('tcolima: no')
  const kubernetes = { enabled: true, version: 'v1.33.1+k3s1', k3sArgs: [], port: 0 }
  expect(asked).toMatchObject([{ action: 'start', kubernetes, changes: { kubernetes: { enabled: true } } }])
})
