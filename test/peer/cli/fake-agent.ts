import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import path from 'node:path'
import type { AgentRequest } from '../../../src/agent/api.ts'
import { identify } from '../../../src/host/processes.ts'

/** Writes the files of a running instance, this process in QEMU's place; gives the instance's folder. */
export function runningInstance(home: string, name: string, qemu = identify(process.pid)): string {
  const folder = path.join(home, name)
  mkdirSync(folder, { recursive: true })
  const config = {
    cpus: 2,
    memory: 2 ** 31,
    disk: 10 * 2 ** 30,
    arch: 'x86_64',
    runtime: 'docker',
    mounts: [],
  }
  const sockets = { qmp: '', guestLink: '', mounts: [] }
  const state = { version: 1, config, accelerator: 'tcg', qemu, sshPort: 2222, sockets, ready: true }
  writeFileSync(path.join(folder, 'state.json'), JSON.stringify(state))
  const record = { version: 1, arch: 'x86_64', runtime: 'docker', user: { name: 'u', uid: 1 } }
  writeFileSync(path.join(folder, 'instance.json'), JSON.stringify(record))
  return folder
}

/** Listens at a path and hands each request line on, with its connection. */
export async function fakeAgent(
  socketPath: string,
  answer: (socket: Socket, request: AgentRequest) => void,
): Promise<Server> {
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy())
    let received = Buffer.alloc(0)
    const take = (chunk: Buffer) => {
      received = Buffer.concat([received, chunk])
      const end = received.indexOf(0x0a)
      if (end < 0) return
      socket.off('data', take)
      const rest = received.subarray(end + 1)
      const request = JSON.parse(received.subarray(0, end).toString()) as AgentRequest
      answer(socket, request)
      if (rest.length > 0) socket.emit('data', rest)
    }
    socket.on('data', take)
  })
  await new Promise<void>((resolve) => {
    server.listen(socketPath, resolve)
  })
  return server
}

/** A line of the agent's answer. */
export function send(socket: Socket, message: unknown): void {
  socket.write(`${JSON.stringify(message)}\n`)
}
