import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import type { Server, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { execa, type Options } from 'execa'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { AgentRequest, ExecParams } from '../../../src/agent/api.ts'
import { encodeFrame, FrameReader, frameKind } from '../../../src/agent/frames.ts'
import { fakeAgent, runningInstance, send } from './fake-agent.ts'

const main = path.resolve(import.meta.dirname, '../../../dist/main.cjs')

let home: string
let server: Server
let requests: AgentRequest[]
/** What the fake guest does once a command was started. */
let guest: (socket: Socket) => void

beforeEach(async () => {
  home = mkdtempSync(path.join(tmpdir(), 'tcolima-ssh-'))
  requests = []
  const folder = runningInstance(home, 'default')
  server = await fakeAgent(path.join(folder, 'agent.sock'), (socket, request) => {
    requests.push(request)
    send(socket, { result: {} })
    guest(socket)
  })
})

afterEach(() => {
  server.close()
  rmSync(home, { recursive: true, force: true })
})

const env = () => ({ PATH: process.env.PATH, HOME: home, TCOLIMA_HOME: home, LC_ALL: 'C.UTF-8', SECRET: 'x' })

function ssh(words: string[], options: Options = {}) {
  return execa(process.execPath, [main, 'ssh', ...words], {
    reject: false,
    stdin: 'ignore',
    timeout: 20_000,
    env: env(),
    extendEnv: false,
    ...options,
  })
}

const params = () => requests[0]?.params as ExecParams

/** Calls back for each frame of a connection. */
function onFrames(socket: Socket, take: (kind: number, body: Buffer) => void): void {
  const reader = new FrameReader()
  socket.on('data', (chunk: Buffer) => {
    for (const { kind, body } of reader.push(chunk)) take(kind, body)
  })
}

const exit = (end: object) => encodeFrame(frameKind.exit, JSON.stringify(end))

describe('a command', () => {
  it('keeps its words, its folder and its two streams; nothing is added', async () => {
    // All at once, together with the answer: bytes behind the answer's line must not be lost.
    guest = (socket) => {
      socket.end(
        Buffer.concat([
          encodeFrame(frameKind.output, 'out\n'),
          encodeFrame(frameKind.errors, 'err\n'),
          exit({ code: 42 }),
        ]),
      )
    }
    const words = ['a b', '$HOME', '*', "it's", '"q"', '', 'ü', '--json', '-p', '--']
    const result = await ssh(['-p', 'default', '--', 'printf', ...words], { cwd: home })
    expect([result.exitCode, result.stdout, result.stderr]).toEqual([42, 'out', 'err'])
    expect(params()).toEqual({
      command: ['printf', ...words],
      cwd: realpathSync(home),
      env: { LC_ALL: 'C.UTF-8' },
    })
  })

  it.each([
    [{ code: 0 }, 0],
    [{ code: 255 }, 255],
    [{ signal: 'TERM' }, 143],
    [{ signal: 'KILL' }, 137],
  ])('that ends with %j gives %i', async (end, code) => {
    guest = (socket) => socket.end(exit(end))
    expect((await ssh(['--', 'true'])).exitCode).toBe(code)
  })

  it('gets all of its input and the end of it, and gives all of its output', async () => {
    const data = randomBytes(8_000_000)
    guest = (socket) => {
      const chunks: Buffer[] = []
      onFrames(socket, (kind, body) => {
        if (kind === frameKind.input) chunks.push(Buffer.from(body))
        if (kind !== frameKind.inputEnd) return
        const all = Buffer.concat(chunks)
        const middle = all.length / 2
        socket.write(encodeFrame(frameKind.errors, createHash('sha256').update(all).digest('hex')))
        // Many small frames, then large ones.
        for (let at = 0; at < 5000; at++)
          socket.write(encodeFrame(frameKind.output, all.subarray(at, at + 1)))
        for (let at = 5000; at < middle; at += 500_000) {
          socket.write(encodeFrame(frameKind.output, all.subarray(at, Math.min(at + 500_000, middle))))
        }
        socket.end(exit({ code: 0 }))
      })
    }
    const result = await ssh(['--', 'x'], { stdin: 'pipe', input: data, encoding: 'buffer' })
    expect(Buffer.from(result.stderr as Uint8Array).toString()).toBe(
      createHash('sha256').update(data).digest('hex'),
    )
    expect(Buffer.compare(Buffer.from(result.stdout as Uint8Array), data.subarray(0, data.length / 2))).toBe(
      0,
    )
  })

  it('has its end when nobody reads on', async () => {
    let closed = false
    guest = (socket) => {
      const zeros = encodeFrame(frameKind.output, Buffer.alloc(100_000))
      const more = () => {
        while (!socket.destroyed && socket.write(zeros));
      }
      socket.on('drain', more)
      socket.on('close', () => {
        closed = true
      })
      more()
    }
    const script = `"$0" "$1" ssh -- cat /dev/zero | head -c 5000000 | wc -c; echo "\${PIPESTATUS[0]}"`
    const result = await execa('bash', ['-c', script, process.execPath, main], {
      env: env(),
      extendEnv: false,
      timeout: 20_000,
    })
    expect([result.stdout, result.stderr]).toEqual(['5000000\n141', ''])
    await expect.poll(() => closed).toBe(true)
  })

  it.each([
    ['SIGINT', 'INT'],
    ['SIGTERM', 'TERM'],
    ['SIGHUP', 'HUP'],
  ] as const)('gets the %s of its client, which ends by it too', async (signal, name) => {
    const told: string[] = []
    let child: ReturnType<typeof ssh> | undefined
    guest = (socket) => {
      onFrames(socket, (kind, body) => {
        if (kind === frameKind.signal) told.push(body.toString())
      })
      // By then the client has read the answer and taken over its signals.
      socket.write(encodeFrame(frameKind.errors, 'here'))
      setTimeout(() => child?.kill(signal), 300)
    }
    child = ssh(['--', 'sleep', '100'])
    const result = await child
    expect([result.signal, told]).toEqual([signal, [name]])
  })

  it('says so when the connection is lost', async () => {
    guest = (socket) => socket.destroy()
    const result = await ssh(['--', 'true'])
    expect([result.exitCode, result.stderr]).toEqual([1, 'tcolima: the connection to the guest was lost'])
  })
})

describe('a terminal', () => {
  it('is given to a shell, raw, with its size, and to a command only when asked', async () => {
    guest = (socket) => {
      onFrames(socket, (kind, body) => {
        if (kind === frameKind.input)
          socket.end(Buffer.concat([encodeFrame(frameKind.output, body), exit({ code: 5 })]))
      })
    }
    // script(1) is the terminal.
    const command = `stty rows 33 cols 99; '${process.execPath}' '${main}' ssh; echo "rc=$?"; stty -a`
    const child = execa('script', ['-qc', command, '/dev/null'], {
      env: { ...env(), TERM: 'vt100', SHELL: '/bin/sh' },
      extendEnv: false,
      timeout: 20_000,
    })
    // A Ctrl-C is a key like any other then.
    setTimeout(() => child.stdin.write('\u0003'), 1500)
    await expect.poll(() => requests.length, { timeout: 10_000 }).toBe(1)
    const result = await child
    expect(params()).toMatchObject({ command: [], terminal: { term: 'vt100', rows: 33, columns: 99 } })
    expect(result.stdout).toContain('rc=5')
    expect(result.stdout).toMatch(/[^-]icanon/)
    guest = (socket) => socket.end(exit({ code: 0 }))
    await ssh(['-t', '--', 'true'])
    expect(requests[1]?.params).toHaveProperty('terminal')
  })
})
