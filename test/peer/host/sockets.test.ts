import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { isSocketAlive, prepareSocketPath } from '../../../src/host/sockets.ts'

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(path.join(os.tmpdir(), 'tcolima-alive-'))
})
afterEach(async () => {
  await rm(dir, { recursive: true, force: true })
})

async function listen(file: string): Promise<net.Server> {
  const server = net.createServer((socket) => socket.destroy())
  server.listen(file)
  await once(server, 'listening')
  return server
}

test('alive while someone listens', async () => {
  const file = path.join(dir, 'a.sock')
  expect(await isSocketAlive(file)).toBe(false)
  const server = await listen(file)
  expect(await isSocketAlive(file)).toBe(true)
  server.close()
  await once(server, 'close')
  expect(await isSocketAlive(file)).toBe(false)
})

test('dead once its process was killed, though the file is there; a plain file is dead too', async () => {
  const file = path.join(dir, 'a.sock')
  const script = `require('net').createServer().listen(${JSON.stringify(file)}, () => console.log('up'))`
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  expect(await isSocketAlive(file)).toBe(true)
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
  expect(await isSocketAlive(file)).toBe(false)
  await writeFile(path.join(dir, 'plain'), '')
  expect(await isSocketAlive(path.join(dir, 'plain'))).toBe(false)
})

test('a path too long for a socket is reached through its link', async () => {
  const long = path.join(dir, 'l'.repeat(150))
  await mkdir(long)
  const owner = { platform: 'linux', uid: process.getuid!() } as const
  const made = await prepareSocketPath(long, 'agent.sock', owner)
  expect(await isSocketAlive(made.link!)).toBe(false)
  const server = await listen(made.path)
  expect(await isSocketAlive(made.link!)).toBe(true)
  server.close()
  expect(await isSocketAlive(path.join(long, 'other.sock'))).toBe(false)
})
