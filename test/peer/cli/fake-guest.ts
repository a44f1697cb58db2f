import { spawn } from 'node:child_process'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import type { Server, Socket } from 'node:net'
import path from 'node:path'
import type { AgentRequest, ExecParams } from '../../../src/agent/api.ts'
import { encodeFrame, FrameReader, frameKind } from '../../../src/agent/frames.ts'
import { fakeAgent, runningInstance, send } from './fake-agent.ts'

/** A guest whose commands run on this computer, from a home folder of its own, programs of which come first. */
export interface FakeGuest {
  server: Server
  /** Where commands start. */
  home: string
  /** Puts a program of a name into it: a script for sh. */
  program: (name: string, script: string) => void
  /** The commands that were run. */
  commands: string[][]
}

/** Makes a running instance with such a guest behind its agent's socket; `answer` takes what is no `exec`. */
export async function fakeGuest(
  tcolimaHome: string,
  name: string,
  answer: (socket: Socket, request: AgentRequest) => void = (socket) => socket.destroy(),
): Promise<FakeGuest> {
  const folder = runningInstance(tcolimaHome, name)
  const home = path.join(tcolimaHome, `_guest-${name}`)
  const bin = path.join(tcolimaHome, `_bin-${name}`)
  mkdirSync(home)
  mkdirSync(bin)
  const commands: string[][] = []
  const server = await fakeAgent(path.join(folder, 'agent.sock'), (socket, request) => {
    if (request.method !== 'exec') {
      answer(socket, request)
      return
    }
    const [program = '', ...args] = (request.params as ExecParams).command
    commands.push([program, ...args])
    send(socket, { result: {} })
    const child = spawn(program, args, {
      cwd: home,
      env: { PATH: `${bin}:${process.env.PATH ?? ''}`, HOME: home },
    })
    const frames = new FrameReader()
    socket.on('data', (chunk: Buffer) => {
      for (const { kind, body } of frames.push(chunk)) {
        if (kind === frameKind.input) child.stdin.write(Buffer.from(body))
        else if (kind === frameKind.inputEnd) child.stdin.end()
      }
    })
    socket.on('close', () => child.kill())
    child.stdin.on('error', () => undefined)
    child.stdout.on('data', (chunk: Buffer) => socket.write(encodeFrame(frameKind.output, chunk)))
    child.stderr.on('data', (chunk: Buffer) => socket.write(encodeFrame(frameKind.errors, chunk)))
    child.on('close', (code, signal) => {
      const end = code === null ? { signal: String(signal).replace(/^SIG/, '') } : { code }
      socket.end(encodeFrame(frameKind.exit, JSON.stringify(end)))
    })
  })
  const program = (file: string, script: string) => {
    writeFileSync(path.join(bin, file), `#!/bin/sh\n${script}\n`)
    chmodSync(path.join(bin, file), 0o755)
  }
  program('sudo', '[ "$1" = -n ] && shift; exec "$@"')
  return { server, home, program, commands }
}
