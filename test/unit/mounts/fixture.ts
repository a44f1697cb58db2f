import { promises as fs } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { Duplex } from 'node:stream'
import { onTestFinished } from 'vitest'
import { type SftpSession, type ShareOptions, serveSftp } from '../../../src/mounts/server.ts'
import { Client, duplexPair } from './client.ts'

/** A fresh folder with a share and a place outside of it, and a session over it; all is gone after the test. */
export interface Fixture {
  top: string
  root: string
  outside: string
  session: SftpSession
  client: Client
  stream: Duplex
}

/** Starts a session over a fresh folder, by default a writable one. */
export async function serve(options: Partial<ShareOptions> = {}): Promise<Fixture> {
  const top = await fs.realpath(await fs.mkdtemp(path.join(os.tmpdir(), 'tcolima-mounts-')))
  const root = path.join(top, 'share')
  const outside = path.join(top, 'share-outside')
  await fs.mkdir(root)
  await fs.mkdir(outside)
  await fs.writeFile(path.join(outside, 'secret'), 'secret')
  const { session, client, stream } = connect({ root, writable: true, ...options })
  onTestFinished(async () => {
    await session.close()
    await fs.rm(top, { recursive: true, force: true })
  })
  await client.init()
  return { top, root, outside, session, client, stream }
}

/** A session and its client, before SSH_FXP_INIT. */
export function connect(options: ShareOptions): { session: SftpSession; client: Client; stream: Duplex } {
  const [near, far] = duplexPair()
  return { session: serveSftp(near, options), client: new Client(far), stream: far }
}
