import { promises as fs } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { onTestFinished } from 'vitest'
import type { FileAttrs } from '../../../src/mounts/codec-attrs.ts'
import { writeAttrs } from '../../../src/mounts/codec-attrs.ts'
import { ByteWriter } from '../../../src/mounts/codec-writer.ts'
import { Fxp, RESUME } from '../../../src/mounts/protocol.ts'
import type { SftpSession } from '../../../src/mounts/server.ts'
import { type Client, packet, type Reply } from './client.ts'
import { connect } from './fixture.ts'

/** A request as it was sent. */
export interface Sent {
  id: number
  bytes: Buffer
}

/** SSH_FXP_INIT as the relay sends it. */
export function relayInit(nonce: Buffer, goesOn: boolean, resends: number, takesHints = false): Buffer {
  const data = Buffer.alloc(24)
  nonce.copy(data)
  data.writeUInt32BE((goesOn ? 1 : 0) + (takesHints ? 2 : 0), 16)
  data.writeUInt32BE(resends, 20)
  return new ByteWriter(Fxp.INIT).u32(3).text(RESUME).text(data).finish()
}

/** A client that lives longer than its servers, as sshfs behind the relay does. */
export class Survivor {
  session: SftpSession
  client: Client
  readonly root: string
  readonly journal: string
  private nextId = 1

  private constructor(root: string, journal: string) {
    this.root = root
    this.journal = journal
    ;({ session: this.session, client: this.client } = this.connect())
  }

  static async start(): Promise<Survivor> {
    const top = await fs.realpath(await fs.mkdtemp(path.join(os.tmpdir(), 'tcolima-resume-')))
    await fs.mkdir(path.join(top, 'share'))
    const survivor = new Survivor(path.join(top, 'share'), path.join(top, 'journal'))
    onTestFinished(async () => {
      await survivor.session.close()
      await fs.rm(top, { recursive: true, force: true })
    })
    await survivor.client.init(relayInit(Buffer.alloc(16, 1), false, 0))
    return survivor
  }

  /** Another server takes over. `journalBytes`: so much of the journal was written when the one before was killed. */
  async nextServer(resends: number, journalBytes?: number): Promise<void> {
    await this.session.close()
    if (journalBytes !== undefined) await fs.truncate(this.journal, journalBytes)
    ;({ session: this.session, client: this.client } = this.connect())
    await this.client.init(relayInit(Buffer.alloc(16, 2), true, resends))
  }

  /** A request, not yet sent. */
  request(type: number, fill: (writer: ByteWriter) => void): Sent {
    const id = this.nextId++
    return { id, bytes: packet(type, id, fill) }
  }

  open(name: string, pflags: number, attrs: FileAttrs = {}): Sent {
    return this.request(Fxp.OPEN, (writer) => writeAttrs(writer.text(name).u32(pflags), attrs))
  }

  write(handle: string, offset: number, data: string): Sent {
    return this.request(Fxp.WRITE, (writer) => writer.text(handle).u64(offset).text(data))
  }

  /** A request of one path or handle, with attributes where the type has them. */
  one(type: number, name: string): Sent {
    return this.request(type, (writer) => {
      writer.text(name)
      if (type === Fxp.MKDIR) writeAttrs(writer, {})
    })
  }

  rename(from: string, to: string): Sent {
    return this.request(Fxp.EXTENDED, (writer) => writer.text('posix-rename@openssh.com').text(from).text(to))
  }

  send({ id, bytes }: Sent): Promise<Reply> {
    return this.client.send(id, bytes)
  }

  private connect(): { session: SftpSession; client: Client } {
    return connect({ root: this.root, writable: true, journal: this.journal })
  }
}
