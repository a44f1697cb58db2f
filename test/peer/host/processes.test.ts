import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterEach, expect, test } from 'vitest'
import { identify, isAlive, systemProcessTable, terminate } from '../../../src/host/processes.ts'

const children: ReturnType<typeof spawn>[] = []
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
})

async function shell(script: string) {
  const child = spawn('sh', ['-c', `${script}; echo ready; while :; do sleep 0.1; done`], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  children.push(child)
  await once(child.stdout, 'data')
  return { child, id: identify(child.pid!)! }
}

test('ends a process that obeys', async () => {
  const { child, id } = await shell(':')
  const ended = once(child, 'exit')
  expect(isAlive(id)).toBe(true)
  expect(await terminate(id)).toBe('terminated')
  expect((await ended)[1]).toBe('SIGTERM')
  expect(isAlive(id)).toBe(false)
  expect(await terminate(id)).toBe('gone')
})

test('kills one that does not', async () => {
  const { child, id } = await shell('trap "" TERM')
  const ended = once(child, 'exit')
  expect(await terminate(id, { graceMs: 100 })).toBe('killed')
  expect((await ended)[1]).toBe('SIGKILL')
})

test('leaves a process alone that only has the same pid', async () => {
  const { child, id } = await shell(':')
  expect(await terminate({ ...id, started: `${id.started}x` })).toBe('gone')
  expect(child.exitCode ?? child.signalCode).toBeNull()
  expect(isAlive(id)).toBe(true)
})

test('an abort ends the wait, not the process', async () => {
  const { id } = await shell('trap "" TERM')
  const giveUp = new AbortController()
  const waiting = terminate(id, { graceMs: 30_000, signal: giveUp.signal })
  setTimeout(() => giveUp.abort(), 50)
  await expect(waiting).rejects.toMatchObject({ code: 'cancelled' })
  expect(isAlive(id)).toBe(true)
})

test('a zombie is dead', async () => {
  // The outer shell becomes a `sleep`, which never reaps the child it inherits; the child ends when it sees that.
  const script = '(while ! grep -q sleep /proc/$$/comm; do :; done) & echo $!; exec sleep 60'
  const parent = spawn('sh', ['-c', script], { stdio: ['ignore', 'pipe', 'ignore'] })
  children.push(parent)
  const [data] = (await once(parent.stdout, 'data')) as [Buffer]
  const pid = Number(data.toString())
  await expect.poll(() => identify(pid), { timeout: 5000 }).toBeUndefined()
  expect(() => process.kill(pid, 0)).not.toThrow()
})

test('the way of macOS works with this ps as well', () => {
  const table = { ...systemProcessTable, platform: 'darwin' }
  const id = identify(process.pid, table)!
  expect(id.started).toMatch(/^\w{3} \w{3} \d+ [\d:]+ \d{4}$/)
  expect(isAlive(id, table)).toBe(true)
})
