import type { Duplex } from 'node:stream'
import { messageOf } from '../host/errors.ts'
import { statusReply, versionReply } from './codec-replies.ts'
import { decodeRequest, type Request, type Resume, type WindowRequest } from './codec-requests.ts'
import { HandleTable } from './handles.ts'
import { forgetHints, Hints } from './hints.ts'
import { Journal } from './journal.ts'
import { FifoLock, ReplyOrder } from './order.ts'
import { Owners } from './owners.ts'
import { PacketReader } from './packets.ts'
import { Fx, Fxp, MAX_READ } from './protocol.ts'
import { reopenAll } from './reopen.ts'
import { answer, standingOf } from './requests.ts'
import { Sender } from './sender.ts'
import type { Replays } from './replay.ts'
import type { Share, ShareObserver } from './share.ts'
import { SharePaths } from './share-path.ts'
import type { Window } from './window.ts'

/** What a session serves. */
export interface ShareOptions {
  /** The folder of the host, a real path (see `shareRoot`); the client sees it as `/`. */
  root: string
  writable: boolean
  /** Gets a line when a session ends badly or starts anew. */
  log?: (line: string) => void
  /**
   * Sessions of one client whose roots overlap (or may come to) must get the same lock: else one session could put a
   * link into a path between another's check of that path and its use. Without it a session has its own.
   */
  nameLock?: FifoLock
  /** Changes of the host that the client sees without doing them; outlives sessions. */
  replays?: Replays
  /** Gets told what the client does. */
  observer?: ShareObserver
  /**
   * A file of this mount's own that lets a later session go on with this one's client, however this one ended. The
   * session then begins as after `reset`: another one may have been killed within a packet.
   */
  journal?: string
  /** Memory that is shared with the client; of this session alone. */
  window?: Window
  /** Who owns the files as the client sees it; sessions whose roots overlap share it. By default this process's user. */
  owners?: Owners
}

/** Figures of a session, since its start. */
export interface SftpStats {
  requests: number
  bytesRead: number
  bytesWritten: number
  openHandles: number
}

/** A running session. */
export interface SftpSession {
  /** Resolves on end of stream, error, bad packet or `close`, after all handles are closed. Never rejects. */
  closed: Promise<void>
  /** Ends the session and its stream, and closes all handles. */
  close(): Promise<void>
  /**
   * Drops what is half received and all replies not sent, and passes over everything until the next SSH_FXP_INIT: for
   * a stream (virtio-serial) that outlives the client at its other end. Closes all handles, unless there is a journal:
   * the next INIT tells whether they count.
   */
  reset(): void
  /** Whether a client has introduced itself, and was not reset since. */
  hasClient(): boolean
  stats(): SftpStats
}

/** Requests at work at once. sshfs sends at most a few dozen of its own accord. */
const MAX_REQUESTS = 128
/** Bytes of requests and replies at work at once: bounds the host's memory per session, whatever the client asks. */
const MAX_BYTES = 4 * 1024 * 1024

/**
 * Serves a folder as SFTP version 3 (draft-ietf-secsh-filexfer-02, with OpenSSH's extensions) over any byte stream.
 * The client is not trusted: see `docs/mounts.md` for what it is kept from. Never throws.
 */
export function serveSftp(stream: Duplex, options: ShareOptions): SftpSession {
  const session = new Session(stream, options)
  return {
    closed: session.closed,
    close: () => session.finish(undefined),
    reset: () => session.reset(),
    hasClient: () => session.initialised,
    stats: () => session.stats(),
  }
}

class Session {
  readonly closed: Promise<void>
  private resolveClosed: () => void = () => {}
  private readonly stream: Duplex
  private readonly options: ShareOptions
  private readonly share: Share
  private readonly nameLock: FifoLock
  private readonly order = new FifoLock()
  private readonly packets = new PacketReader()
  private readonly sender: Sender
  private replies: ReplyOrder
  /** Grows with every INIT and reset: replies to requests from before are not sent. */
  private generation = 0
  initialised = false
  /** Requests to come that an earlier session may have done. */
  private resends = 0
  private requests = 0
  private working = 0
  private workingBytes = 0
  private inputEnded = false
  private finished = false
  private pumping = false

  constructor(stream: Duplex, options: ShareOptions) {
    this.stream = stream
    this.options = options
    this.nameLock = options.nameLock ?? new FifoLock()
    this.closed = new Promise((resolve) => {
      this.resolveClosed = resolve
    })
    const journal = new Journal(options.journal, options.log)
    const paths = new SharePaths(options.root)
    this.share = {
      paths,
      handles: new HandleTable(journal, paths.files),
      journal,
      owners: options.owners ?? new Owners({ uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }),
      writable: options.writable,
      platform: process.platform,
      replays: options.replays,
      observer: options.observer,
      hints: undefined,
      counters: { bytesRead: 0, bytesWritten: 0 },
    }
    this.sender = new Sender(stream, () => this.pump())
    this.replies = this.newReplies()
    options.replays?.listen(() => {
      if (!this.initialised || this.finished || !this.share.hints) return
      this.sender.send(forgetHints())
      // And what waits with replies that are not sent yet.
      this.replies.place()(forgetHints())
    })
    if (options.journal !== undefined) this.packets.hunt(journal.state.relay)
    this.listen()
  }

  stats(): SftpStats {
    return { requests: this.requests, ...this.share.counters, openHandles: this.share.handles.size }
  }

  reset(): void {
    if (this.finished) return
    this.packets.hunt(this.share.journal.state.relay)
    this.initialised = false
    this.dropReplies()
    if (this.options.journal === undefined) void this.forgetHandles(false)
    this.pump()
  }

  /** Ends the session; `reason` is for the log, where there is something wrong. */
  finish(reason: string | undefined): Promise<void> {
    if (this.finished) return this.closed
    this.finished = true
    if (reason !== undefined) this.log(`session ended: ${reason}`)
    this.sender.drop()
    // After a proper end of input the last replies still go out; else the other end learns at once.
    if (this.inputEnded && reason === undefined) this.stream.end()
    else this.stream.destroy()
    // In turn behind all requests taken so far, some of which may be about to open something.
    const closed = this.order.run(false, async () => {
      await this.share.handles.closeAll()
      await this.options.window?.settled()
      this.share.journal.close()
    })
    closed.then(this.resolveClosed, this.resolveClosed)
    return this.closed
  }

  private listen(): void {
    this.stream.on('data', (chunk: Buffer) => {
      this.packets.push(chunk)
      this.pump()
    })
    this.stream.on('end', () => {
      this.inputEnded = true
      this.pump()
    })
    this.stream.on('error', (error) => void this.finish(messageOf(error)))
    this.stream.on('close', () => void this.finish(undefined))
    // Streams that ended or broke before this session came say so no more.
    if (this.stream.destroyed || this.stream.readableEnded)
      queueMicrotask(() => void this.finish('no stream'))
  }

  /** Starts requests as long as there are any and room for them; else sees to it that it is called again. */
  private pump(): void {
    if (this.pumping || this.finished) return
    this.pumping = true
    while (!this.finished && this.hasRoom()) {
      const packet = this.packets.next()
      if (packet === 'more') break
      if (packet === 'bad') void this.finish('impossible packet length')
      else this.take(packet)
    }
    this.pumping = false
    if (this.finished) return
    if (!this.hasRoom()) this.stream.pause()
    else if (!this.inputEnded) this.stream.resume()
    else if (this.working === 0) void this.finish(undefined)
  }

  private hasRoom(): boolean {
    // Quick requests behind a slow one are done, but their replies wait.
    const requests = Math.max(this.working, this.replies.waiting)
    return requests < MAX_REQUESTS && this.workingBytes < MAX_BYTES && !this.sender.blocked
  }

  private take(packet: Buffer): void {
    const incoming = decodeRequest(packet)
    if (incoming.kind === 'malformed') {
      void this.finish(incoming.reason)
    } else if (incoming.kind === 'init') {
      this.begin(incoming.resume)
    } else if (!this.initialised) {
      void this.finish('a request before SSH_FXP_INIT')
    } else if (incoming.kind === 'read-window') {
      this.readToWindow(incoming, packet.length)
    } else if (incoming.kind === 'write-window') {
      this.writeFromWindow(incoming, packet.length)
    } else {
      void this.work(incoming, packet.length)
    }
  }

  // Where the window cannot be used so, the client is told that there is no such request: it makes another one.
  private readToWindow({ id, handle, offset, length, slot }: WindowRequest, packetBytes: number): void {
    const { window } = this.options
    const into = window?.room(slot, length)
    if (!window || !into) return void this.work({ kind: 'unsupported', id }, packetBytes)
    void this.work({ kind: 'read', id, handle, offset, length, into }, packetBytes, async (reply) => {
      if (reply[4] !== Fxp.EXTENDED_REPLY) return reply
      const whole = await window.put(slot, into.subarray(0, reply.readUInt32BE(9)))
      return whole ? reply : statusReply(id, Fx.OP_UNSUPPORTED, 'the window is full')
    })
  }

  private writeFromWindow({ id, handle, offset, length, slot }: WindowRequest, packetBytes: number): void {
    const data = this.options.window?.take(slot, length)
    void this.work(
      data ? { kind: 'write', id, handle, offset, data } : { kind: 'unsupported', id },
      packetBytes,
    )
  }

  /** A new client leaves nothing of the one before; one that goes on finds its handles. */
  private begin(resume: Resume | undefined): void {
    const goesOn = resume?.goesOn === true
    // Once: a client must not be able to fill the host's log.
    if (this.initialised && !goesOn && this.generation === 1) this.log('a new client on the same stream')
    this.initialised = true
    this.share.hints = resume?.takesHints ? new Hints() : undefined
    this.resends = goesOn ? resume.resends : 0
    this.dropReplies()
    if (!goesOn) this.share.observer?.begins()
    // Counts as a request, lest a client send no end of INITs behind one that takes long.
    this.working++
    void (goesOn ? this.reopenHandles() : this.forgetHandles(resume !== undefined)).then(() => {
      this.working--
      this.pump()
    })
    void this.welcome(resume)
  }

  private async welcome(resume: Resume | undefined): Promise<void> {
    const reply = this.replies.place()
    const window = resume?.hasWindow ? this.options.window : undefined
    await window?.settled()
    reply(versionReply(resume?.nonce, window))
  }

  /** `answered` gets the reply before it is sent, unless it never is, and gives the one to send. */
  private async work(
    request: Request,
    packetBytes: number,
    answered?: (reply: Buffer) => Promise<Buffer>,
  ): Promise<void> {
    const { generation } = this
    const standing = standingOf(request)
    const reply = standing.loose ? this.looseReply() : this.replies.place()
    const bytes = packetBytes + moreBytes(request, packetBytes)
    const resend = this.resends > 0
    if (resend) this.resends--
    this.requests++
    this.working++
    this.workingBytes += bytes
    const started = await this.order.run(!standing.changes, async () => {
      const done = answer(this.share, request, this.nameLock, resend)
      // A slow disk must not hold up the writes behind a FSYNC, only the FSYNC has to come behind those before it.
      if (request.kind !== 'fsync') await done
      return { done }
    })
    const done = await started.done
    const wanted = generation === this.generation && !this.finished
    const packet = answered && wanted ? await answered(done) : done
    this.working--
    this.workingBytes -= bytes
    reply(packet)
    this.pump()
  }

  /** Requests that are at work are still done, but not answered. */
  private dropReplies(): void {
    this.generation++
    this.options.window?.renew()
    this.replies = this.newReplies()
    this.sender.drop()
  }

  private forgetHandles(relay: boolean): Promise<void> {
    return this.order.run(false, async () => {
      await this.share.handles.closeAll()
      this.share.journal.clear(relay)
    })
  }

  private async reopenHandles(): Promise<void> {
    const reopen = () => this.nameLock.run(true, () => reopenAll(this.share))
    const lost = await this.order.run(false, reopen)
    this.log(`the client goes on with ${this.share.handles.size} open handles, ${lost} are lost`)
  }

  private newReplies(): ReplyOrder {
    return new ReplyOrder(this.looseReply())
  }

  private looseReply(): (reply: Buffer) => void {
    const generation = this.generation
    return (reply) => {
      if (generation === this.generation && !this.finished) this.sender.send(reply)
    }
  }

  private log(line: string): void {
    this.options.log?.(line)
  }
}

/** Room for data that does not come with the packet; for what is small `MAX_REQUESTS` is bound enough. */
function moreBytes(request: Request, packetBytes: number): number {
  if (request.kind === 'write') return Math.max(0, request.data.length - packetBytes)
  if (request.kind === 'read') return request.into?.length ?? Math.min(request.length, MAX_READ)
  return request.kind === 'readdir' ? 64 * 1024 : 0
}
