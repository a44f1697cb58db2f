import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { promises as fs } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { errnoOf } from '../../../src/host/errors.ts'
import { generateKey } from '../../../src/ssh/keys.ts'
import type { SshTarget } from '../../../src/ssh/connection.ts'
import { until } from './relay.ts'
import { freePort } from '../../../src/portforward/free-port.ts'
import { output } from './sshfs.ts'

const guestConfig = path.resolve(
  import.meta.dirname,
  '../../../guest/rootfs/etc/ssh/sshd_config.d/tcolima.conf',
)

/** A real sshd on this host's loopback, which lets nobody but this process in. */
export interface Sshd {
  target: SshTarget
  /** Kills the processes of its connections with SIGKILL; it goes on and takes new ones. */
  killSessions(): Promise<void>
  end(): Promise<void>
}

/** Starts it with what the guest's sshd says of sockets, and `more` lines; its files are in the folder `top`. */
export async function startSshd(top: string, more: string[] = []): Promise<Sshd> {
  const at = (name: string) => path.join(top, name)
  const [host, user] = [generateKey('host'), generateKey('user')]
  await fs.writeFile(at('host_key'), host.private, { mode: 0o600 })
  await fs.writeFile(at('authorized_keys'), user.public, { mode: 0o600 })
  // Root's sshd wants it to be there.
  if (process.getuid?.() === 0) await fs.mkdir('/run/sshd', { recursive: true })
  const sockets = (await fs.readFile(guestConfig, 'utf8')).match(/^.*StreamLocal.*$/gm) ?? []
  const port = await freePort()
  const lines = [
    `ListenAddress 127.0.0.1:${port}`,
    `HostKey ${at('host_key')}`,
    `AuthorizedKeysFile ${at('authorized_keys')}`,
    'StrictModes no',
    'PidFile none',
    'PermitRootLogin yes',
    'PasswordAuthentication no',
    ...sockets,
    ...more,
  ]
  await fs.writeFile(at('sshd_config'), `${lines.join('\n')}\n`)
  // As the guest's, it must not shut out who breaks many connections; before OpenSSH 9.8 none does.
  const known = await output('/usr/sbin/sshd', ['-T', '-f', at('sshd_config')])
  if (/^persourcepenalties/m.test(known)) await fs.appendFile(at('sshd_config'), 'PerSourcePenalties no\n')
  // It starts itself again for each connection, and must be called by its full path.
  const sshd = spawn('/usr/sbin/sshd', ['-D', '-e', '-f', at('sshd_config')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  sshd.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString()
  })
  await until(() => {
    if (sshd.exitCode !== null) throw new Error(`sshd ended: ${said}`)
    return said.includes('Server listening')
  })
  return {
    target: {
      port,
      user: os.userInfo().username,
      privateKey: user.private,
      hostKey: host.public,
      emulated: false,
    },
    killSessions: () => killBelow(sshd),
    end: async () => {
      await killBelow(sshd)
      const gone = once(sshd, 'exit')
      sshd.kill('SIGKILL')
      await gone
    },
  }
}

async function killBelow(parent: ChildProcess): Promise<void> {
  for (const pid of await descendants(parent)) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch (error) {
      // Some end by themselves when another one does.
      if (errnoOf(error) !== 'ESRCH') throw error
    }
  }
}

/** The processes that a process and its children started, the youngest first. */
async function descendants({ pid }: Pick<ChildProcess, 'pid'>): Promise<number[]> {
  const text = await fs.readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '')
  const children = text.split(' ').filter(Boolean).map(Number)
  const below = await Promise.all(children.map((child) => descendants({ pid: child })))
  return [...below.flat(), ...children]
}
