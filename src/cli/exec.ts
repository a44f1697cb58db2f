import type { Socket } from 'node:net'
import { encodeFrame, FrameReader, frameKind, longestFrame } from '../agent/frames.ts'
import { TcolimaError } from '../host/errors.ts'

/** How a command in the guest ended. */
export type ExecEnd = { code: number } | { signal: string }

const passedSignals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const

/**
 * Joins this process's standard streams with a command in the guest until it ends; `raw` gives it the terminal's keys as
 * they are. A signal to this process goes to the command, and takes this process along. Throws `failed` when the
 * connection is lost.
 */
export async function attachExec(open: { socket: Socket; head: Buffer }, raw: boolean): Promise<ExecEnd> {
  const { socket, head } = open
  const { stdin, stdout, stderr } = process
  const frames = new FrameReader()
  const resize = () => {
    socket.write(
      encodeFrame(frameKind.resize, JSON.stringify({ rows: stdout.rows, columns: stdout.columns })),
    )
  }
  const pass = (signal: NodeJS.Signals) => {
    socket.write(encodeFrame(frameKind.signal, signal.replace(/^SIG/, '')))
    // Ended by a signal, nothing else gives the terminal back.
    if (raw) stdin.setRawMode(false)
    // The command may take no notice; the agent ends it when this connection closes.
    socket.end(() => process.kill(process.pid, signal))
    for (const each of passedSignals) process.removeListener(each, pass)
  }
  for (const signal of passedSignals) process.on(signal, pass)
  // Nobody reads on: as with a local command, that is the end.
  stdout.on('error', () => {
    socket.destroy()
    process.exit(141)
  })
  if (raw) {
    stdin.setRawMode(true)
    stdout.on('resize', resize)
  }
  stdin.on('data', (chunk: Buffer) => {
    for (let at = 0; at < chunk.length; at += longestFrame) {
      if (socket.write(encodeFrame(frameKind.input, chunk.subarray(at, at + longestFrame)))) continue
      stdin.pause()
      socket.once('drain', () => stdin.resume())
    }
  })
  stdin.on('end', () => socket.write(encodeFrame(frameKind.inputEnd)))
  stdin.on('error', () => socket.write(encodeFrame(frameKind.inputEnd)))
  const full = new Set<NodeJS.WriteStream>()
  const write = (stream: NodeJS.WriteStream, body: Buffer) => {
    // One chunk holds many frames: a stream that is full is waited for once.
    if (stream.write(body) || full.has(stream)) return
    full.add(stream)
    socket.pause()
    stream.once('drain', () => {
      full.delete(stream)
      if (full.size === 0) socket.resume()
    })
  }
  try {
    return await new Promise<ExecEnd>((resolve, reject) => {
      const take = (chunk: Buffer) => {
        for (const { kind, body } of frames.push(chunk)) {
          if (kind === frameKind.output) write(stdout, body)
          else if (kind === frameKind.errors) write(stderr, body)
          else if (kind === frameKind.exit) resolve(JSON.parse(body.toString()) as ExecEnd)
        }
      }
      socket.on('data', take)
      socket.on('close', () => reject(new TcolimaError('failed', 'the connection to the guest was lost')))
      take(head)
      if (full.size === 0) socket.resume()
    })
  } finally {
    if (raw) stdin.setRawMode(false)
    stdout.off('resize', resize)
    for (const signal of passedSignals) process.removeListener(signal, pass)
    stdin.pause()
    stdin.unref?.()
    socket.destroy()
  }
}
