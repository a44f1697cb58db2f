import { createServer, type Server, type Socket } from 'node:net'
import { TcolimaError } from '../host/errors.ts'
import type { AgentReply, AgentRequest } from './api.ts'
import { execOptions, joinExec, remoteCommand } from './exec.ts'
import { admitWorker, dismissWorker } from './members.ts'
import type { Supervisor } from './supervisor.ts'

// A request is one line; none of ours is longer than this.
const longestRequest = 4 * 2 ** 20

/** The agent's listening end. */
export interface AgentServer {
  server: Server
  /** How many clients are connected. */
  clients: () => number
}

/**
 * Answers requests on a Unix socket (see api.ts) out of a supervisor. The caller listens and closes. `onClientGone` is
 * called when a client has gone, once any has asked something: one that only looks whether somebody listens comes first.
 */
export function agentServer(
  supervisor: Supervisor,
  log: (line: string) => void,
  onClientGone: () => void,
): AgentServer {
  const sockets = new Set<Socket>()
  let asked = false
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => {
      sockets.delete(socket)
      if (asked) onClientGone()
    })
    let received = Buffer.alloc(0)
    const take = (chunk: Buffer) => {
      received = Buffer.concat([received, chunk])
      const end = received.indexOf(0x0a)
      if (end < 0) {
        if (received.length > longestRequest) socket.destroy()
        return
      }
      socket.off('data', take)
      socket.pause()
      asked = true
      const line = received.subarray(0, end).toString()
      void answer(socket, line, received.subarray(end + 1), supervisor).catch((error: unknown) => {
        log(`a request failed: ${TcolimaError.from(error).message}`)
        reply(socket, { error: TcolimaError.from(error).toRecord() })
        socket.end()
      })
    }
    socket.on('data', take)
  })
  return { server, clients: () => sockets.size }
}

async function answer(socket: Socket, line: string, rest: Buffer, supervisor: Supervisor): Promise<void> {
  const request = JSON.parse(line) as AgentRequest
  const gone = new AbortController()
  socket.once('close', () => gone.abort())
  const report = (event: Extract<AgentReply, { event: unknown }>['event']) => reply(socket, { event })
  switch (request.method) {
    case 'start': {
      // Reading goes on, so that a client that goes away is noticed.
      socket.resume()
      const { params } = request as AgentRequest<'start'>
      reply(socket, { result: await supervisor.start(params, report, gone.signal) })
      break
    }
    case 'stop': {
      socket.resume()
      const { params } = request as AgentRequest<'stop'>
      await supervisor.stop(params.force, report)
      reply(socket, { result: {} })
      break
    }
    case 'status':
      reply(socket, { result: supervisor.status() })
      break
    case 'ports':
      socket.resume()
      reply(socket, { result: await supervisor.ports(gone.signal) })
      break
    case 'watchPorts':
      socket.resume()
      await supervisor.watchPorts((change) => reply(socket, { change }), gone.signal)
      reply(socket, { result: {} })
      break
    case 'addMount': {
      socket.resume()
      const { params } = request as AgentRequest<'addMount'>
      reply(socket, { result: await supervisor.addMount(params, gone.signal) })
      break
    }
    case 'removeMount': {
      socket.resume()
      const { params } = request as AgentRequest<'removeMount'>
      reply(socket, { result: await supervisor.removeMount(params, gone.signal) })
      break
    }
    case 'cluster': {
      socket.resume()
      const { params } = request as AgentRequest<'cluster'>
      reply(socket, { result: await supervisor.cluster(params, report, gone.signal) })
      break
    }
    case 'admit': {
      socket.resume()
      const { params } = request as AgentRequest<'admit'>
      reply(socket, {
        result: await supervisor.inCluster(
          report,
          gone.signal,
          async (world, running) => await admitWorker(world, running, params),
        ),
      })
      break
    }
    case 'dismiss': {
      socket.resume()
      const { params } = request as AgentRequest<'dismiss'>
      await supervisor.inCluster(
        report,
        gone.signal,
        async (world) => await dismissWorker(world, params.worker, params.forget),
      )
      reply(socket, { result: {} })
      break
    }
    case 'exec': {
      const { params } = request as AgentRequest<'exec'>
      const { machine, state } = supervisor.machine()
      const ssh = await machine.ssh.get()
      const channel = await ssh.exec(
        remoteCommand(params, state.mounts, state.config.forwardAgent),
        execOptions(params),
      )
      reply(socket, { result: {} })
      joinExec(socket, channel, rest)
      return
    }
    default:
      throw new TcolimaError(
        'usage',
        `the agent knows no request ${String((request as { method: unknown }).method)}`,
      )
  }
  socket.end()
}

function reply(socket: Socket, message: AgentReply): void {
  if (socket.writable) socket.write(`${JSON.stringify(message)}\n`)
}
