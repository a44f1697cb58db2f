import { once } from 'node:events'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Duplex, PassThrough } from 'node:stream'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { freePort } from '../../../src/portforward/free-port.ts'
import { bindingOf, listenOnHost } from '../../../src/portforward/host-end.ts'
import type { PlannedForward } from '../../../src/portforward/plan.ts'

const owner = { platform: 'linux' as const, uid: process.getuid?.() ?? 0 }
const base: PlannedForward = {
  proto: 'tcp',
  hostAddress: '',
  hostPort: 0,
  via: 'ssh',
  guestAddress: '127.0.0.1',
  guestPort: 80,
}
let folder: string
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'tcolima-unit-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** What comes back from a socket after its own end. */
async function echoed(where: { path: string } | { host: string; port: number }): Promise<string> {
  const socket = connect(where)
  socket.end('hello')
  const chunks: Buffer[] = []
  for await (const chunk of socket) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

const echo = async (): Promise<Duplex> => new PassThrough()

describe('a socket of the host', () => {
  test('is made with its folder, for its user alone, and goes again', async () => {
    const file = path.join(folder, 'new/a.sock')
    const close = await listenOnHost({ ...base, hostSocket: file }, owner, echo)
    expect(await echoed({ path: file })).toBe('hello')
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(statSync(path.dirname(file)).mode & 0o777).toBe(0o700)
    await close()
    expect(statSync(file, { throwIfNoEntry: false })).toBeUndefined()
  })

  test('with a long path lies elsewhere and is found there', async () => {
    const file = path.join(folder, 'x'.repeat(120), 'a.sock')
    const close = await listenOnHost({ ...base, hostSocket: file }, owner, echo)
    expect(statSync(file).isSocket()).toBe(true)
    await close()
    expect(statSync(file, { throwIfNoEntry: false })).toBeUndefined()
  })

  test('takes the place of one that was left', async () => {
    const file = path.join(folder, 'a.sock')
    const child = createServer().listen(file)
    await once(child, 'listening')
    // As a process that was killed leaves it.
    const { rename } = await import('node:fs/promises')
    await rename(file, `${file}.kept`)
    child.close()
    await once(child, 'close')
    await rename(`${file}.kept`, file)
    const close = await listenOnHost({ ...base, hostSocket: file }, owner, echo)
    expect(await echoed({ path: file })).toBe('hello')
    await close()
  })

  test('is left alone when another program listens on it', async () => {
    const file = path.join(folder, 'a.sock')
    const server = createServer((socket) => {
      socket.on('error', () => undefined)
      socket.end('theirs')
    }).listen(file)
    await once(server, 'listening')
    await expect(listenOnHost({ ...base, hostSocket: file }, owner, echo)).rejects.toThrow(
      `another program listens on ${file}`,
    )
    expect(await echoed({ path: file })).toBe('theirs')
    server.close()
  })

  test('is left alone when it is a file', async () => {
    const file = path.join(folder, 'state.json')
    writeFileSync(file, '{}')
    await expect(listenOnHost({ ...base, hostSocket: file }, owner, echo)).rejects.toThrow(
      `${file} is there, and no socket`,
    )
    expect(statSync(file).size).toBe(2)
  })
})

describe('a port of the host', () => {
  test('whose listener goes keeps its connections and takes no more', async () => {
    const hostPort = await freePort()
    const close = await listenOnHost({ ...base, hostAddress: '127.0.0.1', hostPort }, owner, echo)
    const kept = connect({ host: '127.0.0.1', port: hostPort, allowHalfOpen: true })
    kept.write('1')
    expect(String((await once(kept, 'data'))[0])).toBe('1')
    await close()
    const late = connect({ host: '127.0.0.1', port: hostPort })
    expect(await once(late, 'error')).toMatchObject([{ code: 'ECONNREFUSED' }])
    kept.write('2')
    expect(String((await once(kept, 'data'))[0])).toBe('2')
    kept.destroy()
  })

  test('a connection that leads nowhere is reset', async () => {
    const hostPort = await freePort()
    const refused = () => Promise.reject(new Error('channel open failed'))
    const close = await listenOnHost({ ...base, hostAddress: '127.0.0.1', hostPort }, owner, refused)
    const socket = connect({ host: '127.0.0.1', port: hostPort })
    expect(await once(socket, 'error')).toMatchObject([{ code: 'ECONNRESET' }])
    await close()
  })

  test('the other family is free for others, and taken is said', async () => {
    const hostPort = await freePort()
    const four = await listenOnHost({ ...base, hostAddress: '0.0.0.0', hostPort }, owner, echo)
    const six = await listenOnHost({ ...base, hostAddress: '::', hostPort }, owner, echo)
    expect(await echoed({ host: '::1', port: hostPort })).toBe('hello')
    await expect(listenOnHost({ ...base, hostAddress: '::1', hostPort }, owner, echo)).rejects.toThrow(
      `port ${hostPort} of the host is taken`,
    )
    await four()
    await six()
  })
})

describe('macOS: ports below 1024 on the loopback', () => {
  test.each<[string, number, 'linux' | 'darwin', string]>([
    ['127.0.0.1', 80, 'darwin', '0.0.0.0'],
    ['::1', 80, 'darwin', '::'],
    ['127.0.0.1', 1024, 'darwin', '127.0.0.1'],
    ['0.0.0.0', 80, 'darwin', '0.0.0.0'],
    ['127.0.0.1', 80, 'linux', '127.0.0.1'],
  ])('%s:%d on %s', (address, port, platform, expected) => {
    const binding = bindingOf(address, port, platform)
    expect(binding.address).toBe(expected)
    expect(binding.accepts !== undefined).toBe(expected !== address)
  })

  test('others are turned away', () => {
    const { accepts } = bindingOf('127.0.0.1', 80, 'darwin')
    expect(['127.0.0.1', '::1', '::ffff:127.0.0.1'].map((peer) => accepts?.(peer))).toEqual([
      true,
      true,
      true,
    ])
    expect(['192.0.2.7', 'fe80::1', '::ffff:192.0.2.7'].map((peer) => accepts?.(peer))).toEqual([
      false,
      false,
      false,
    ])
  })

  test('a peer that is turned away is reset', async () => {
    // A port below 1024 as root alone; the listener's part is the same for any.
    const { forwardTcp } = await import('../../../src/ssh/forward.ts')
    let asked = 0
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as { port: number }
    server.close()
    await once(server, 'close')
    const forward = await forwardTcp(
      '0.0.0.0',
      port,
      async () => {
        asked++
        return await echo()
      },
      { accepts: (peer) => peer !== '127.0.0.1' },
    )
    const socket = connect({ host: '127.0.0.1', port })
    expect(await once(socket, 'error')).toMatchObject([{ code: 'ECONNRESET' }])
    expect(asked).toBe(0)
    await forward.close()
  })
})
