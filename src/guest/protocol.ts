import { printable } from '../host/text.ts'

/** What the guest tells over its link, one JSON object a line (guest/rootfs/usr/lib/tcolima/guest). */
export type GuestMessage =
  | { type: 'hello'; version: number; boot: string }
  /** A part of the guest is there: `boot`, `ssh`, or an engine. */
  | { type: 'ready'; subject: string }
  /** A part of the guest failed: `boot`, or a systemd unit. */
  | { type: 'failed'; subject: string }
  /**
   * Listening sockets as /proc/net shows them, `tcp 0100007F 1F90`, and ports that NAT rules publish, `tcp 00000000 1F90
   * nat`; with `whole`, `add` is the full list.
   */
  | { type: 'ports'; add: string[]; remove: string[]; whole?: boolean }
  | { type: 'mount'; index: number; state: 'waiting' | 'mounted' | 'failed'; detail: string }
  /** The mounts in which something in the guest watches files (inotify). */
  | { type: 'watched'; indexes: number[] }
  /** A replay is through; `failed` of its steps did not work. */
  | { type: 'replayed'; index: number; id: number; failed: number }
  /** The answer to `unmount`; `problem` is '' when it is gone. */
  | { type: 'unmounted'; index: number; problem: string }
  /** The answer to `look`: `ports` told what was found. */
  | { type: 'looked'; id: number }
  /** The answer to `await`. */
  | { type: 'awaited'; id: number }
  /** The guest asks for the time. */
  | { type: 'clock'; id: number }
  /** Its clock was behind by so much (before, where negative), and is right now. */
  | { type: 'set'; seconds: number }

/**
 * What the host asks. `sync`: tell everything again; `resume`: a mount's sshfs is to speak to the host anew; `watched`:
 * look which mounts are watched, and tell; `replay`: do these steps on a mount, `act:hex path[:hex path]` joined by `;`;
 * `look`: look at once what listens, and tell before the answer; `await`: answer once all these TCP ports listen in the
 * network of a process of the guest, it has ended, or `limit` milliseconds are over.
 */
export type HostMessage =
  | { type: 'sync' }
  | { type: 'poweroff' }
  | { type: 'resume'; index: number }
  | { type: 'watched' }
  | { type: 'replay'; index: number; id: number; steps: string }
  | { type: 'look'; id: number }
  | ClockMessage
  | AwaitMessage
  | MountMessage
  | UnmountMessage

/** The guest's script finds its parts by their order. */
export interface AwaitMessage {
  type: 'await'
  id: number
  pid: number
  ports: number[]
  limit: number
}

/** The answer to `clock`: milliseconds since 1970. The guest's script finds its parts by their order. */
export interface ClockMessage {
  type: 'clock'
  id: number
  time: number
}

/** Mounts a folder that is not in the seed's table; one that is known by its index already is left alone. */
export interface MountMessage {
  type: 'mount'
  index: number
  fs: 'sshfs'
  /** The place in hexadecimal: it may hold any byte. */
  path: string
  /** Joined with commas. */
  options: string
}

/** Takes a mount away; unless forced only when nothing uses it. */
export interface UnmountMessage {
  type: 'unmount'
  index: number
  force: boolean
}

/** The message that mounts a folder. The guest's script finds its parts by their order. */
export function mountMessage(index: number, mountPoint: string, options: string[]): MountMessage {
  const path = Buffer.from(mountPoint).toString('hex')
  return { type: 'mount', index, fs: 'sshfs', path, options: options.join(',') }
}

/** Reads one line of the guest. Gives undefined for what is no message: the guest is not trusted. Pure. */
export function parseGuestMessage(line: string): GuestMessage | undefined {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null || !('type' in value)) return undefined
  const message = value as Record<string, unknown>
  switch (message.type) {
    case 'hello':
      return isText(message.boot) && isNumber(message.version)
        ? { type: 'hello', version: message.version, boot: message.boot }
        : undefined
    case 'ready':
    case 'failed':
      return isText(message.subject) ? { type: message.type, subject: printable(message.subject) } : undefined
    case 'ports':
      return isTextList(message.add) && isTextList(message.remove)
        ? { type: 'ports', add: message.add, remove: message.remove, whole: message.whole === true }
        : undefined
    case 'mount':
      return isNumber(message.index) && isMountState(message.state)
        ? {
            type: 'mount',
            index: message.index,
            state: message.state,
            detail: isText(message.detail) ? printable(utf8(message.detail)) : '',
          }
        : undefined
    case 'watched':
      return Array.isArray(message.indexes) && message.indexes.every(isNumber)
        ? { type: 'watched', indexes: message.indexes }
        : undefined
    case 'replayed':
      return isNumber(message.index) && isNumber(message.id) && isNumber(message.failed)
        ? { type: 'replayed', index: message.index, id: message.id, failed: message.failed }
        : undefined
    case 'unmounted':
      return isNumber(message.index) && isText(message.problem)
        ? { type: 'unmounted', index: message.index, problem: printable(utf8(message.problem)) }
        : undefined
    case 'set':
      return isNumber(message.seconds) ? { type: 'set', seconds: message.seconds } : undefined
    case 'looked':
    case 'awaited':
    case 'clock':
      return isNumber(message.id) ? { type: message.type, id: message.id } : undefined
    default:
      return undefined
  }
}

/** The guest tells bytes as characters of the same number; this reads them as UTF-8. */
function utf8(text: string): string {
  return Buffer.from(text, 'latin1').toString('utf8')
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number'
}

function isTextList(value: unknown): value is string[] {
  return Array.isArray(value) && value.every(isText)
}

function isMountState(value: unknown): value is 'waiting' | 'mounted' | 'failed' {
  return value === 'waiting' || value === 'mounted' || value === 'failed'
}
