import { type FileAttrs, readAttrs } from './codec-attrs.ts'
import { ByteReader } from './codec-reader.ts'
import { Fxp, NONCE_BYTES, READ_WINDOW, RESUME, WRITE_WINDOW } from './protocol.ts'

/** A request of the client (draft section 6; OpenSSH PROTOCOL section 4). Paths and handles are byte strings. */
export type Request =
  | { kind: 'open'; id: number; path: string; pflags: number; attrs: FileAttrs }
  | { kind: 'close' | 'fstat' | 'readdir' | 'fsync' | 'fstatvfs'; id: number; handle: string }
  /** `into`: its data goes there instead of into the reply. */
  | { kind: 'read'; id: number; handle: string; offset: number; length: number; into?: Buffer }
  | { kind: 'write'; id: number; handle: string; offset: number; data: Buffer }
  | { kind: 'fsetstat'; id: number; handle: string; attrs: FileAttrs }
  | { kind: 'setstat' | 'mkdir'; id: number; path: string; attrs: FileAttrs }
  | { kind: PathKind; id: number; path: string }
  | { kind: 'rename' | 'posix-rename' | 'hardlink'; id: number; from: string; to: string }
  | { kind: 'symlink'; id: number; target: string; path: string }
  | { kind: 'unsupported'; id: number }

type PathKind = 'lstat' | 'stat' | 'opendir' | 'remove' | 'rmdir' | 'realpath' | 'readlink' | 'statvfs'

/** READ and WRITE whose data stands in the window, or is to: `length` bytes from `slot` on. */
export interface WindowRequest {
  id: number
  handle: string
  offset: number
  length: number
  slot: number
}

/** What our part of sshfs in the guest says in SSH_FXP_INIT. */
export interface Resume {
  nonce: Buffer
  /** The client is the one of before: its handles count. */
  goesOn: boolean
  /** It takes replies ahead (`Hints`). */
  takesHints: boolean
  /** It shares memory with the host (`Window`). */
  hasWindow: boolean
  /** So many requests that follow may have been done already. */
  resends: number
}

type Body = Request | ({ kind: 'read-window' } & WindowRequest) | ({ kind: 'write-window' } & WindowRequest)

/** What a packet says: a request, the start of a session, or nothing that can be understood. */
export type Incoming =
  | Body
  | { kind: 'init'; version: number; resume?: Resume }
  | { kind: 'malformed'; reason: string }

/**
 * Takes one packet without its length field; gives what it says. Never throws: a packet that ends too early is
 * `malformed`, a type or an extension that is not known is `unsupported`. Bytes behind the last field are let be, as
 * OpenSSH's server does.
 */
export function decodeRequest(packet: Buffer): Incoming {
  try {
    const reader = new ByteReader(packet)
    const type = reader.u8()
    const first = reader.u32()
    if (type !== Fxp.INIT) return decodeBody(type, first, reader)
    const resume = packet.length > 5 ? readResume(reader) : undefined
    return { kind: 'init', version: first, ...(resume && { resume }) }
  } catch (error) {
    return { kind: 'malformed', reason: error instanceof Error ? error.message : String(error) }
  }
}

// Other extensions of INIT than ours mean nothing here.
function readResume(reader: ByteReader): Resume | undefined {
  if (reader.text() !== RESUME) return undefined
  const data = new ByteReader(reader.blob())
  const nonce = data.raw(NONCE_BYTES)
  const flags = data.u32()
  const has = (flag: number) => (flags & flag) !== 0
  return { nonce, goesOn: has(1), takesHints: has(2), hasWindow: has(4), resends: data.u32() }
}

// The order of properties is the order of the fields on the wire: object literals are evaluated left to right.
function decodeBody(type: number, id: number, reader: ByteReader): Body {
  switch (type) {
    case Fxp.OPEN:
      return { kind: 'open', id, path: reader.text(), pflags: reader.u32(), attrs: readAttrs(reader) }
    case Fxp.CLOSE:
      return { kind: 'close', id, handle: reader.text() }
    case Fxp.READ:
      return { kind: 'read', id, handle: reader.text(), offset: reader.u64(), length: reader.u32() }
    case Fxp.WRITE:
      return { kind: 'write', id, handle: reader.text(), offset: reader.u64(), data: reader.blob() }
    case Fxp.LSTAT:
      return { kind: 'lstat', id, path: reader.text() }
    case Fxp.FSTAT:
      return { kind: 'fstat', id, handle: reader.text() }
    case Fxp.SETSTAT:
      return { kind: 'setstat', id, path: reader.text(), attrs: readAttrs(reader) }
    case Fxp.FSETSTAT:
      return { kind: 'fsetstat', id, handle: reader.text(), attrs: readAttrs(reader) }
    case Fxp.OPENDIR:
      return { kind: 'opendir', id, path: reader.text() }
    case Fxp.READDIR:
      return { kind: 'readdir', id, handle: reader.text() }
    case Fxp.REMOVE:
      return { kind: 'remove', id, path: reader.text() }
    case Fxp.MKDIR:
      return { kind: 'mkdir', id, path: reader.text(), attrs: readAttrs(reader) }
    case Fxp.RMDIR:
      return { kind: 'rmdir', id, path: reader.text() }
    case Fxp.REALPATH:
      return { kind: 'realpath', id, path: reader.text() }
    case Fxp.STAT:
      return { kind: 'stat', id, path: reader.text() }
    case Fxp.RENAME:
      return { kind: 'rename', id, from: reader.text(), to: reader.text() }
    case Fxp.READLINK:
      return { kind: 'readlink', id, path: reader.text() }
    case Fxp.SYMLINK:
      // The draft (section 6.10) puts the link first. OpenSSH's server had them reversed from the start, every
      // client follows it (PROTOCOL, section 4.1), sshfs too: the target comes first.
      return { kind: 'symlink', id, target: reader.text(), path: reader.text() }
    case Fxp.EXTENDED:
      return decodeExtended(id, reader)
    default:
      return { kind: 'unsupported', id }
  }
}

function decodeExtended(id: number, reader: ByteReader): Body {
  switch (reader.text()) {
    case 'posix-rename@openssh.com':
      return { kind: 'posix-rename', id, from: reader.text(), to: reader.text() }
    case 'hardlink@openssh.com':
      return { kind: 'hardlink', id, from: reader.text(), to: reader.text() }
    case 'statvfs@openssh.com':
      return { kind: 'statvfs', id, path: reader.text() }
    case 'fstatvfs@openssh.com':
      return { kind: 'fstatvfs', id, handle: reader.text() }
    case 'fsync@openssh.com':
      return { kind: 'fsync', id, handle: reader.text() }
    case READ_WINDOW:
      return { kind: 'read-window', ...windowRequest(id, reader) }
    case WRITE_WINDOW:
      return { kind: 'write-window', ...windowRequest(id, reader) }
    default:
      return { kind: 'unsupported', id }
  }
}

function windowRequest(id: number, reader: ByteReader): WindowRequest {
  return { id, handle: reader.text(), offset: reader.u64(), length: reader.u32(), slot: reader.u32() }
}
