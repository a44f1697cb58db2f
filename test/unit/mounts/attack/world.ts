import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { createServer, type Server } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import type { Duplex } from 'node:stream'
import { afterAll, expect, onTestFinished } from 'vitest'
import { FifoLock } from '../../../../src/mounts/order.ts'
import { Fxp } from '../../../../src/mounts/protocol.ts'
import type { SftpSession } from '../../../../src/mounts/server.ts'
import type { Client, Reply } from '../client.ts'
import { connect } from '../fixture.ts'

/** What must never be in any reply: contents and names of the outside. Its sizes and times are odd for the same reason. */
const MARK = 'Zebra7'
const SECRET = `the content ${MARK}`.padEnd(7919, '.')
const SECRET_TIME = 1_234_567_891
const OLD_TIME = 1_111_111_111

// Made once: a process for each world would take most of the tests' time.
const fifoFolder = fs.mkdtempSync(path.join(os.tmpdir(), 'tcolima-fifos-'))
const fifos = ['share', 'readonly', 'outside'].map((name) => `${fifoFolder}/${name}`)
execFileSync('mkfifo', fifos)
afterAll(() => fs.rmSync(fifoFolder, { recursive: true }))

/** One attacker: a session over one of the shares, and all bytes it ever got. */
export interface Attacker {
  client: Client
  session: SftpSession
  stream: Duplex
  heard: Buffer[]
}

/**
 * A folder of the host with all that an attack may aim at:
 * `share` (writable) and `readonly` (not), `share-sibling` (the same prefix), `outside` (secrets, a FIFO, a socket).
 * Both shares have links of every kind to the outside; both attackers share one lock, as the agent's sessions do.
 */
export class World {
  readonly top = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'tcolima-attack-')))
  readonly share = path.join(this.top, 'share')
  readonly readonly = path.join(this.top, 'readonly')
  readonly outside = path.join(this.top, 'outside')
  private readonly secrets = [this.outside, path.join(this.top, 'share-sibling')]
  readonly lines: string[] = []
  /** What all sessions of one guest share. */
  readonly nameLock = new FifoLock()
  private readonly attackers: Attacker[] = []
  private readonly sockets: Server[]
  private readonly attributes: string
  private readonly contents: string

  /** Takes what else the host has beside the shares. */
  constructor(addToTop: (top: string) => void = () => {}) {
    addToTop(this.top)
    const folders = [this.share, this.readonly, this.outside]
    for (const folder of folders) fs.mkdirSync(folder)
    for (const [at, folder] of folders.entries()) fs.linkSync(fifos[at]!, `${folder}/fifo`)
    this.sockets = folders.map((folder) => createServer().listen(`${folder}/socket`))
    for (const secrets of this.secrets) fillSecrets(secrets)
    for (const root of [this.share, this.readonly]) this.fillShare(root)
    setTimes(this.top, OLD_TIME)
    for (const secrets of this.secrets) setTimes(secrets, SECRET_TIME)
    this.attributes = attributesBelow(this.top, this.share)
    this.contents = contentsBelow(this.top, this.share)
    onTestFinished(() => this.end())
  }

  /** Makes the writable share as it was at first, whatever an attack did to it. */
  refill(): void {
    const made = fs.readdirSync(this.share).filter((name) => name !== 'fifo' && name !== 'socket')
    for (const name of made) fs.rmSync(`${this.share}/${name}`, { recursive: true })
    this.fillShare(this.share)
  }

  /** A new session after SSH_FXP_INIT, over the writable share, the read-only one, or a folder of the former. */
  async attack(writable = true, folder = ''): Promise<Attacker> {
    const attacker = this.connect(writable, folder)
    await attacker.client.init()
    return attacker
  }

  /** A new session, before SSH_FXP_INIT. */
  connect(writable = true, folder = ''): Attacker {
    const { nameLock, lines } = this
    const root = path.join(writable ? this.share : this.readonly, folder)
    const log = (line: string) => lines.push(line)
    const attacker: Attacker = { ...connect({ root, writable, nameLock, log }), heard: [] }
    attacker.stream.on('data', (chunk: Buffer) => attacker.heard.push(chunk))
    this.attackers.push(attacker)
    return attacker
  }

  /** Asserts that nothing of the outside was told, and nothing of it nor of the read-only share has changed. */
  check(what?: string): void {
    for (const { heard } of this.attackers) {
      const bytes = Buffer.concat(heard.splice(0))
      for (const secret of [Buffer.from(MARK), u32(SECRET_TIME), u64(SECRET.length)]) {
        expect(bytes.indexOf(secret), what).toBe(-1)
      }
    }
    expect(attributesBelow(this.top, this.share), what).toBe(this.attributes)
  }

  /** Asserts that a session still serves. */
  async checkAlive({ client }: Attacker): Promise<void> {
    expect((await client.path(Fxp.LSTAT, '/')).type).toBe(Fxp.ATTRS)
  }

  /** At the end of the test: ends all sessions, asserts as `check`, with contents too, and removes all. */
  private async end(): Promise<void> {
    await Promise.all(this.attackers.map(({ session }) => session.close()))
    try {
      this.check('at the end')
      expect(contentsBelow(this.top, this.share)).toBe(this.contents)
    } finally {
      for (const socket of this.sockets) socket.close()
      fs.rmSync(this.top, { recursive: true, force: true })
    }
  }

  private fillShare(root: string): void {
    fs.mkdirSync(path.join(root, 'dir/deep'), { recursive: true })
    for (const file of ['file', 'dir/file', 'dir/deep/file']) fs.writeFileSync(path.join(root, file), 'mine')
    for (const [name, target] of Object.entries(this.links())) fs.symlinkSync(target, path.join(root, name))
  }

  /** Links of a share that lead outside, by name; `chain` takes three steps. */
  private links(): Record<string, string> {
    return {
      'to-absolute': this.outside,
      'to-relative': '../outside',
      'to-sibling': '../share-sibling',
      'to-parent': '..',
      'to-root': '/',
      'to-proc': '/proc/self/root',
      chain: 'chain-2',
      'chain-2': './dir/../chain-3',
      'chain-3': '../outside',
      'to-nothing': '../outside/nothing',
      'to-no-folder': '../nowhere/nothing',
      'to-file': '../outside/secret',
      'to-fifo': '../outside/fifo',
      loop: 'loop',
    }
  }
}

/** A folder and all below it but the inside of `but`: names, kinds, modes, owners, link counts, sizes and times. */
function attributesBelow(at: string, but: string): string {
  const { mode, uid, gid, nlink, ino, size, mtimeNs, ctimeNs } = fs.lstatSync(at, { bigint: true })
  if (at === but) return 'the share'
  const line = [at, mode, uid, gid, nlink, ino, size, mtimeNs, ctimeNs].join(' ')
  if ((Number(mode) & 0o170000) !== 0o040000) return line
  return [line, ...namesIn(at).map((name) => attributesBelow(`${at}/${name}`, but))].join('\n')
}

/** The contents of all files and links below a folder. */
function contentsBelow(at: string, but: string): string {
  const stats = fs.lstatSync(at)
  if (stats.isFile()) return fs.readFileSync(at, 'latin1')
  if (stats.isSymbolicLink()) return fs.readlinkSync(at)
  if (!stats.isDirectory() || at === but) return ''
  return namesIn(at)
    .map((name) => contentsBelow(`${at}/${name}`, but))
    .join('\n')
}

/** Sets times long past for a folder and all below, so that any change shows, however soon it comes. */
function setTimes(at: string, time: number): void {
  if (fs.lstatSync(at).isDirectory()) for (const name of namesIn(at)) setTimes(`${at}/${name}`, time)
  fs.lutimesSync(at, time, time)
}

function namesIn(folder: string): string[] {
  return fs.readdirSync(folder).sort()
}

/** A reply, or `ended` when the session ended before it. */
export async function outcome({ client }: Attacker, asked: Promise<Reply>): Promise<Reply | 'ended'> {
  return Promise.race([asked, client.ended.then(() => 'ended' as const)])
}

function fillSecrets(folder: string): void {
  fs.mkdirSync(path.join(folder, `folder-${MARK}`), { recursive: true })
  fs.writeFileSync(path.join(folder, `name-${MARK}`), SECRET, { mode: 0o640 })
  fs.writeFileSync(path.join(folder, 'secret'), SECRET)
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

function u64(value: number): Buffer {
  return Buffer.concat([u32(0), u32(value)])
}
