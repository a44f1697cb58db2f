import type { Socket } from 'node:net'
import path from 'node:path'
import type { ClientChannel, ExecOptions } from 'ssh2'
import { shellQuote } from '../guest/quote.ts'
import type { InstanceState } from '../instance/state.ts'
import { signalCommand } from '../ssh/signal.ts'
import type { ExecParams } from './api.ts'
import { guestAgentSocket } from './port-rules.ts'
import { encodeFrame, FrameReader, frameKind, longestFrame } from './frames.ts'

/** The command line that the guest's shell gets. Pure. */
export function remoteCommand(
  params: ExecParams,
  mounts: InstanceState['config']['mounts'],
  forwardAgent = false,
): string {
  const folder = guestFolder(params.cwd, mounts)
  // A folder that cannot be entered is no reason not to run: the command then starts at home.
  const agent = forwardAgent ? `export SSH_AUTH_SOCK=${guestAgentSocket}; ` : ''
  const enter = agent + (folder === undefined ? '' : `cd ${shellQuote(folder)} 2>/dev/null; `)
  if (params.command.length === 0) return `${enter}exec "$SHELL" -l`
  return `${enter}exec ${params.command.map(shellQuote).join(' ')}`
}

/** The place in the guest of a folder of the host; undefined when it is not mounted, or hidden by another mount. Pure. */
export function guestFolder(
  folder: string | undefined,
  mounts: InstanceState['config']['mounts'],
): string | undefined {
  if (folder === undefined) return undefined
  const holding = mounts
    .filter(({ location }) => lies(folder, location))
    .sort((a, b) => b.location.length - a.location.length)
  for (const mount of holding) {
    const place = path.posix.join(mount.mountPoint, path.posix.relative(mount.location, folder))
    const innermost = mounts
      .filter(({ mountPoint }) => lies(place, mountPoint))
      .sort((a, b) => b.mountPoint.length - a.mountPoint.length)[0]
    if (innermost === mount) return place
  }
  return undefined
}

function lies(file: string, folder: string): boolean {
  return file === folder || file.startsWith(folder.endsWith('/') ? folder : `${folder}/`)
}

/** The options of ssh2 for a command. */
export function execOptions(params: ExecParams): ExecOptions {
  return {
    ...(params.env ? { env: params.env } : {}),
    ...(params.terminal
      ? { pty: { term: params.terminal.term, rows: params.terminal.rows, cols: params.terminal.columns } }
      : {}),
  }
}

/**
 * Joins a client's connection with a command's channel until the command ends. A client that goes away takes the command
 * with it. `head` is what the client sent already.
 */
export function joinExec(socket: Socket, channel: ClientChannel, head: Buffer): void {
  const frames = new FrameReader()
  let finished = false
  let ended: { code: number } | { signal: string } = { code: 255 }
  const take = (chunk: Buffer) => {
    for (const { kind, body } of frames.push(chunk)) {
      if (kind === frameKind.input) {
        if (!channel.write(body)) {
          socket.pause()
          channel.once('drain', () => socket.resume())
        }
      } else if (kind === frameKind.inputEnd) channel.end()
      else if (kind === frameKind.signal) signalCommand(channel, body.toString())
      else if (kind === frameKind.resize) {
        const size = JSON.parse(body.toString()) as { rows: number; columns: number }
        channel.setWindow(size.rows, size.columns, 0, 0)
      }
    }
  }
  const send = (kind: number, from: NodeJS.ReadableStream) => (chunk: Buffer) => {
    for (let at = 0; at < chunk.length; at += longestFrame) {
      if (!socket.write(encodeFrame(kind, chunk.subarray(at, at + longestFrame)))) {
        from.pause()
        socket.once('drain', () => from.resume())
      }
    }
  }
  socket.on('data', (chunk: Buffer) => {
    try {
      take(chunk)
    } catch {
      socket.destroy()
    }
  })
  socket.on('error', () => socket.destroy())
  socket.on('close', () => {
    if (finished) return
    // sshd does not end a command whose connection is closed: without a terminal it would run on for ever.
    signalCommand(channel, 'HUP')
    signalCommand(channel, 'TERM')
    channel.close()
  })
  channel.on('data', send(frameKind.output, channel))
  channel.stderr.on('data', send(frameKind.errors, channel.stderr))
  channel.on('exit', (code: number | null, signal?: string) => {
    ended = code === null ? { signal: (signal ?? 'TERM').replace(/^SIG/, '') } : { code }
  })
  channel.on('error', () => channel.close())
  channel.on('close', () => {
    finished = true
    socket.end(encodeFrame(frameKind.exit, JSON.stringify(ended)))
  })
  if (head.length > 0) socket.unshift(head)
  socket.resume()
}
