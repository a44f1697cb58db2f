import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { Server } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { execa } from 'execa'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { identify } from '../../../src/host/processes.ts'
import { instancePaths } from '../../../src/instance/paths.ts'
import { fakeAgent, runningInstance, send } from './fake-agent.ts'

const main = path.resolve(import.meta.dirname, '../../../dist/main.cjs')

let folder: string
let home: string
let servers: Server[]
let asked: string[]
let qemu: ChildProcess

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'tcolima-restart-'))
  home = path.join(folder, 'home')
  servers = []
  asked = []
})

afterEach(() => {
  for (const server of servers) server.close()
  rmSync(folder, { recursive: true, force: true })
})

/** A machine's agent, which is played: it gives one answer to all. */
async function agentOf(name: string, answer: object): Promise<void> {
  mkdirSync(path.join(home, name), { recursive: true })
  const server = await fakeAgent(path.join(home, name, 'agent.sock'), (socket, { method }) => {
    asked.push(`${name}: ${method}`)
    send(socket, answer)
    socket.end()
  })
  servers.push(server)
}

async function restart(...flags: string[]) {
  return await execa(process.execPath, [main, 'restart', 'w', ...flags], {
    reject: false,
    stdin: 'ignore',
    timeout: 30_000,
    env: { PATH: process.env.PATH, HOME: folder, TCOLIMA_HOME: home },
    extendEnv: false,
  })
}

describe('a worker that is restarted', () => {
  beforeEach(async () => {
    qemu = spawn('sleep', ['60'])
    runningInstance(home, 'w', identify(qemu.pid!))
    const settings = 'mounts: null\nkubernetes:\n  enabled: true\n  join: default\n'
    writeFileSync(instancePaths(home, 'w').config, settings)
    await agentOf('w', { error: { code: 'failed', message: 'does not stop' } })
  })

  afterEach(() => qemu.kill('SIGKILL'))

  it.each([
    ['does not let it in', { code: 'failed', message: 'no more addresses' }, 1, 'no more addresses'],
    ['has no cluster', { code: 'not-running', message: 'none' }, 3, 'tcolima start default --kubernetes'],
  ])('runs on where its server %s', async (_what, error, exitCode, words) => {
    await agentOf('default', { error })
    const result = await restart()
    expect([result.exitCode, result.stderr]).toEqual([exitCode, expect.stringContaining(words)])
    expect(asked).toEqual(['default: admit'])
  })

  it('runs on where its server does not run, also when it is to be forced', async () => {
    const result = await restart('--force')
    expect([result.exitCode, result.stderr]).toEqual([3, expect.stringContaining('has none that runs')])
    expect(asked).toEqual([])
    expect(qemu.exitCode ?? qemu.signalCode).toBeNull()
  })

  it('is stopped once its server lets it in', async () => {
    await agentOf('default', { result: { address: '10.41.0.2' } })
    const result = await restart()
    expect([result.exitCode, result.stderr]).toEqual([1, expect.stringContaining('does not stop')])
    expect(asked).toEqual(['default: admit', 'w: stop'])
  })

  it('asks the server that it is told, and none when it is to leave', async () => {
    await agentOf('default', { result: { address: '10.41.0.2' } })
    await agentOf('other', { error: { code: 'failed', message: 'no more addresses' } })
    expect((await restart('--kubernetes-join', 'other')).stderr).toContain('no more addresses')
    expect((await restart('--kubernetes=false')).stderr).toContain('does not stop')
    expect(asked).toEqual(['other: admit', 'w: stop'])
  })
})
