import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { Server } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Admission, AgentRequest } from '../../../src/agent/api.ts'
import { askAdmission, leaveOthers, leaveServer } from '../../../src/agent/join.ts'
import { delay } from '../../../src/host/delay.ts'
import { identify } from '../../../src/host/processes.ts'
import { currentHost } from '../../../src/host/platform.ts'
import type { ProgressEvent } from '../../../src/host/progress.ts'
import { instancePaths } from '../../../src/instance/paths.ts'
import { fakeAgent, runningInstance, send } from '../cli/fake-agent.ts'

const host = currentHost()
const { signal } = new AbortController()
let home: string
let server: Server | undefined
let asked: AgentRequest[]
let events: ProgressEvent[]

beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), 'tcolima-join-'))
  mkdirSync(path.join(home, 'default'))
  asked = []
  events = []
})
afterEach(() => {
  server?.close()
  server = undefined
  rmSync(home, { recursive: true, force: true })
})

/** The agent of the server, which is played, gives one answer to all. */
async function answers(answer: object) {
  server = await fakeAgent(path.join(home, 'default', 'agent.sock'), (socket, request) => {
    asked.push(request)
    send(socket, answer)
    socket.end()
  })
}

const context = (env: NodeJS.ProcessEnv = host.env) => ({
  home,
  host: { ...host, env },
  paths: instancePaths(home, 'w'),
  log: () => undefined,
})
const settings = (join: string, enabled = true) => ({
  kubernetes: { enabled, version: '', k3sArgs: [], port: 0, join },
})
const ask = async (join: string, enabled?: boolean, env?: NodeJS.ProcessEnv) =>
  await askAdmission(context(env), settings(join, enabled), '/mirror', (event) => events.push(event), signal)

describe('a machine that is to join the cluster of another', () => {
  it('asks its agent', async () => {
    const admission: Partial<Admission> = { address: '10.41.0.2', token: 't' }
    await answers({ result: admission })
    expect(await ask('default')).toEqual(admission)
    expect(asked).toEqual([
      { method: 'admit', params: { worker: { name: 'w', node: 'tcolima-w' }, mirror: '/mirror' } },
    ])
  })

  it.each([
    ['has one of its own', '', true],
    ['has none', 'default', false],
  ])('asks nobody when it %s', async (_what, join, enabled) => {
    await answers({ result: {} })
    expect(await ask(join, enabled)).toBeUndefined()
    expect(asked).toEqual([])
  })

  it('is told to start the other first, and what else to do', async () => {
    await expect(ask('default')).rejects.toMatchObject({
      code: 'not-running',
      message: expect.stringContaining('default, whose cluster w is to join') as string,
      hint: expect.stringContaining('tcolima start default --kubernetes') as string,
    })
    await expect(ask('w')).rejects.toMatchObject({ code: 'config' })
  })

  it.each([
    ['is let in by one that is still starting, once that is over', { result: { address: '10.41.0.2' } }],
    ['is told of one that goes on starting', { error: { code: 'busy', message: 'still starting' } }],
  ])('%s', async (_what, last) => {
    const busy = { error: { code: 'busy', message: 'still starting' } }
    const phases = ['starting', 'running'].map((phase) => ({ result: { phase } }))
    const told = [busy, ...phases, last]
    server = await fakeAgent(path.join(home, 'default', 'agent.sock'), (socket, request) => {
      asked.push(request)
      send(socket, told.shift() ?? {})
      socket.end()
    })
    const result = await ask('default').catch((error: unknown) => ({ error }))
    expect(result).toMatchObject('result' in last ? last.result : { error: { code: 'busy' } })
    expect(asked.map(({ method }) => method)).toEqual(['admit', 'status', 'status', 'admit'])
  })

  it('waits at a login for one whose start has not begun, and says so', async () => {
    const told = ['idle', 'starting', 'running'].map((phase) => ({ result: { phase } }))
    const asking = ask('default', true, { TCOLIMA_AUTOSTART: '1' })
    await delay(200)
    server = await fakeAgent(path.join(home, 'default', 'agent.sock'), (socket, request) => {
      asked.push(request)
      send(socket, told.shift() ?? { result: { address: '10.41.0.2' } })
      socket.end()
    })
    expect(await asking).toEqual({ address: '10.41.0.2' })
    expect(asked.map(({ method }) => method)).toEqual(['status', 'status', 'status', 'admit'])
    expect(events).toContainEqual(expect.objectContaining({ type: 'step', step: 'wait for default' }))
  })

  it('has an agent started for one that runs without', async () => {
    const qemu = spawn('sleep', ['60'])
    try {
      const { agentLog } = instancePaths(home, 'default')
      runningInstance(home, 'default', identify(qemu.pid!))
      // What is taken for its QEMU has no monitor: the new agent can do nothing more.
      await expect(ask('default')).rejects.toThrow()
      expect(readFileSync(agentLog, 'utf8')).toContain(`taking up QEMU ${qemu.pid}`)
    } finally {
      qemu.kill('SIGKILL')
    }
  })

  it('is told why the other does not let it in', async () => {
    await answers({ error: { code: 'failed', message: 'no more addresses' } })
    await expect(ask('default')).rejects.toThrow('no more addresses')
  })
})

describe('a machine that leaves', () => {
  const workers = () => readFileSync(instancePaths(home, 'default').workers, 'utf8')
  beforeEach(() => {
    writeFileSync(instancePaths(home, 'default').workers, '[{"name":"w","number":2}]')
  })

  it('tells the agent of the server', async () => {
    await answers({ result: {} })
    expect(await leaveServer({ home, host }, 'default', 'w', true)).toBeUndefined()
    expect(asked).toEqual([{ method: 'dismiss', params: { worker: 'w', forget: true } }])
  })

  it('is remembered as gone where the server does not run', async () => {
    expect(await leaveServer({ home, host }, 'default', 'w', false)).toBeUndefined()
    expect(JSON.parse(workers())).toEqual([{ name: 'w', number: 2 }])
    expect(await leaveServer({ home, host }, 'default', 'w', true)).toBeUndefined()
    expect(JSON.parse(workers())).toEqual([{ name: 'w', number: 2, gone: true }])
  })

  it('is gone from all clusters but the one that its settings name, before it starts', async () => {
    mkdirSync(path.join(home, 'b'))
    const other = instancePaths(home, 'b').workers
    writeFileSync(other, '[{"name":"w","number":3}]')
    const said: ProgressEvent[] = []
    await leaveOthers(context(), settings('b'), (event) => said.push(event))
    expect(JSON.parse(workers())).toEqual([{ name: 'w', number: 2, gone: true }])
    expect(readFileSync(other, 'utf8')).toBe('[{"name":"w","number":3}]')
    await leaveOthers(context(), settings(''), (event) => said.push(event))
    expect(JSON.parse(readFileSync(other, 'utf8'))).toEqual([{ name: 'w', number: 3, gone: true }])
    expect(said).toEqual([])
    writeFileSync(instancePaths(home, 'default').workers, '[{"name":"w","number":2}]')
    await answers({ error: { code: 'failed', message: 'kubectl ended' } })
    await leaveOthers(context(), settings('b'), (event) => said.push(event))
    expect(said).toMatchObject([{ type: 'warning', text: expect.stringContaining('still a node') as string }])
  })

  it('is a warning where the server does not let it go', async () => {
    await answers({ error: { code: 'failed', message: 'kubectl ended with status 1' } })
    expect(await leaveServer({ home, host }, 'default', 'w', true)).toMatch(/still a node.*status 1/)
  })
})
