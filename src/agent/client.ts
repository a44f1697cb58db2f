import { connect, type Socket } from 'node:net'
import { TcolimaError } from '../host/errors.ts'
import type { Report } from '../host/progress.ts'
import { lastLines } from '../host/text.ts'
import type { AgentMethod, AgentMethods, AgentReply, ExecParams, PortChange } from './api.ts'

/** How a request is made. */
export interface CallOptions {
  /** Gets the events that come before the answer. */
  report?: Report
  /** Gets the changes that `watchPorts` tells. */
  onChange?: (change: PortChange) => void
  /** Takes the request back. */
  signal?: AbortSignal
  /** Milliseconds until the answer; no limit unless told. */
  limitMs?: number
  /** The agent's log, whose last lines explain an agent that died. */
  log?: string
}

/** That nobody listens, or an agent was at its end: none answered. */
export class AgentNotThere extends TcolimaError {}

/**
 * Makes a request of the agent at a socket path; gives its result. Throws what the agent answered as an error,
 * `not-running` when nobody listens, `failed` when the agent goes away before its answer, `cancelled` on abort.
 */
export async function callAgent<M extends AgentMethod>(
  path: string,
  method: M,
  params: AgentMethods[M]['params'],
  options: CallOptions = {},
): Promise<AgentMethods[M]['result']> {
  const socket = await connected(path)
  return await new Promise<AgentMethods[M]['result']>((resolve, reject) => {
    const { signal, report, onChange, limitMs, log } = options
    const finish = (settle: () => void) => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', abort)
      socket.destroy()
      settle()
    }
    const abort = () => finish(() => reject(new TcolimaError('cancelled', `${method} was cancelled`)))
    const timer =
      limitMs === undefined
        ? undefined
        : setTimeout(
            () =>
              finish(() =>
                reject(new TcolimaError('failed', `the agent did not answer within ${limitMs / 1000} s`)),
              ),
            limitMs,
          )
    signal?.addEventListener('abort', abort, { once: true })
    const take = (line: string) => {
      const reply = JSON.parse(line) as AgentReply<M>
      if ('event' in reply) report?.(reply.event)
      else if ('change' in reply) onChange?.(reply.change)
      else if ('error' in reply) finish(() => reject(TcolimaError.fromRecord(reply.error)))
      else finish(() => resolve(reply.result))
    }
    let rest = ''
    let answered = false
    socket.setEncoding('utf8')
    socket.on('data', (chunk: string) => {
      answered = true
      const lines = (rest + chunk).split('\n')
      rest = lines.pop() ?? ''
      try {
        for (const line of lines) take(line)
      } catch (error) {
        finish(() => reject(TcolimaError.from(error)))
      }
    })
    socket.on('error', () => socket.destroy())
    socket.on('close', () => finish(() => reject(answered ? agentGone(log) : notThere())))
    if (signal?.aborted) abort()
    else socket.write(`${JSON.stringify({ method, params })}\n`)
  })
}

/**
 * Starts a command in the guest; gives the connection, paused, which then carries frames, and what of them has arrived.
 * Throws like `callAgent`.
 */
export async function openExec(path: string, params: ExecParams): Promise<{ socket: Socket; head: Buffer }> {
  const socket = await connected(path)
  socket.write(`${JSON.stringify({ method: 'exec', params })}\n`)
  return await new Promise((resolve, reject) => {
    let received = Buffer.alloc(0)
    const gone = () => reject(agentGone(undefined))
    const take = (chunk: Buffer) => {
      received = Buffer.concat([received, chunk])
      const end = received.indexOf(0x0a)
      if (end < 0) return
      socket.off('data', take)
      socket.off('close', gone)
      socket.pause()
      try {
        const reply = JSON.parse(received.subarray(0, end).toString()) as AgentReply<'exec'>
        if ('error' in reply) throw TcolimaError.fromRecord(reply.error)
        resolve({ socket, head: received.subarray(end + 1) })
      } catch (error) {
        socket.destroy()
        reject(TcolimaError.from(error))
      }
    }
    socket.on('data', take)
    socket.once('close', gone)
    socket.on('error', () => socket.destroy())
  })
}

async function connected(path: string): Promise<Socket> {
  return await new Promise<Socket>((resolve, reject) => {
    const socket = connect({ path })
    const fail = () => reject(notThere())
    socket.once('error', fail)
    socket.once('connect', () => {
      socket.off('error', fail)
      resolve(socket)
    })
  })
}

/** Nobody listens, or an agent that was about to end did not read the request. */
function notThere(): AgentNotThere {
  return new AgentNotThere('not-running', 'no agent looks after this machine')
}

function agentGone(log: string | undefined): TcolimaError {
  return new TcolimaError('failed', 'the agent ended before it answered', {
    ...(log === undefined ? {} : { log: { path: log, lines: lastLines(log, 10) } }),
    hint: 'Run the same command again: a machine that still runs is taken up.',
  })
}
