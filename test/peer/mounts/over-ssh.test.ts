import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { promises as fs } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { MountServers } from '../../../src/agent/mount-servers.ts'
import { SshMounts } from '../../../src/agent/ssh-mounts.ts'
import { KeptFiles } from '../../../src/mounts/kept.ts'
import { FifoLock } from '../../../src/mounts/order.ts'
import { Owners } from '../../../src/mounts/owners.ts'
import { Windows } from '../../../src/mounts/window.ts'
import { SshConnection } from '../../../src/ssh/connection.ts'
import { SshLink } from '../../../src/ssh/link.ts'
import { type RelayedSshfs, relaySshfs } from './relay.ts'
import { type Sshd, startSshd } from './sshd.ts'
import { output } from './sshfs.ts'

// What an agent has for two mounts without ports, against a real sshd, the guest's relay and a real sshfs. All work on the
// mounts is done by other processes.
let top: string
let sshd: Sshd
let agent: { lost: number; close(): Promise<void> }
const relays: RelayedSshfs[] = []
const log: string[] = []
const at = (name: string) => path.join(top, name)

beforeEach(async () => {
  top = await fs.realpath(await fs.mkdtemp(path.join(os.tmpdir(), 'tcolima-over-ssh-')))
  for (const name of ['ssh', 'root0', 'mnt0', 'root1', 'mnt1']) await fs.mkdir(at(name))
  sshd = await startSshd(top)
  agent = startAgent()
  for (const index of [0, 1])
    relays.push(await relaySshfs(top, at(`ssh/mount.${index}.sock`), at(`mnt${index}`)))
})
afterEach(async () => {
  for (const relay of relays.splice(0)) await relay.end()
  await agent.close()
  await sshd.end()
  await fs.rm(top, { recursive: true, force: true })
})

function startAgent() {
  const tell = (line: string) => log.push(line)
  const started = { lost: 0, close: async () => {} }
  const link = new SshLink(
    (signal) => SshConnection.connect(sshd.target, signal),
    () => started.lost++,
  )
  const overSsh = new SshMounts(() => link.get(), tell, at('ssh'))
  const mounts = [0, 1].map((index) => ({
    index,
    location: at(`root${index}`),
    mountPoint: at(`mnt${index}`),
    writable: true,
  }))
  const user = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }
  const servers = new MountServers(mounts, [null, null], {
    nameLock: new FifoLock(),
    journal: (index) => at(`journal${index}`),
    resume: () => undefined,
    owners: new Owners(user, new KeptFiles(at('owners'))),
    windows: Windows.open(at('none')),
    notifications: undefined,
    warn: () => undefined,
    overSsh: (index, signal) => overSsh.next(index, signal),
    log: tell,
  })
  started.close = async () => {
    const closed = servers.close()
    link.close()
    await closed
  }
  return started
}

test('two folders are read and written, each its own', async () => {
  await output('bash', ['-euc', `head -c 8M /dev/urandom > '${at('root0/big')}'`])
  await output('bash', ['-euc', `cp '${at('mnt0/big')}' '${at('mnt1/copy')}'; sync '${at('mnt1/copy')}'`])
  await output('cmp', [at('root0/big'), at('root1/copy')])
  expect(await fs.readdir(at('root0'))).toEqual(['big'])
})

test('open files and running copies outlive lost connections', async () => {
  await output('bash', ['-euc', `head -c 2M /dev/urandom > '${at('root0/big')}'`])
  const work = spawn(
    'bash',
    [
      '-euc',
      `cd '${at('mnt0')}'
       exec 7>>log
       for i in $(seq 8); do echo "line $i" >&7; cat big | cmp - '${at('root0/big')}'; sync log; done
       cp big '${at('mnt1/copy')}'`,
    ],
    { stdio: ['ignore', 'inherit', 'inherit'] },
  )
  const ended = once(work, 'exit')
  let kills = 0
  while (work.exitCode === null && kills < 4) {
    await new Promise((resolve) => setTimeout(resolve, 100 + Math.random() * 300))
    if (work.exitCode === null) {
      await sshd.killSessions()
      kills++
    }
  }
  expect((await ended)[0]).toBe(0)
  expect(agent.lost).toBeGreaterThan(0)
  const lines = Array.from({ length: 8 }, (_, at) => `line ${at + 1}\n`)
  expect(await fs.readFile(at('root0/log'), 'utf8')).toBe(lines.join(''))
  await output('cmp', [at('root0/big'), at('root1/copy')])
})

test('an open file goes on with the next agent', async () => {
  const writer = spawn(
    'bash',
    ['-euc', `exec 7>>'${at('mnt1/log')}'; while read -r l; do echo "$l" >&7; echo done; done`],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  )
  writer.stdin.write('before\n')
  await once(writer.stdout, 'data')
  await agent.close()
  const waits = once(writer.stdout, 'data')
  writer.stdin.write('after\n')
  agent = startAgent()
  await waits
  writer.stdin.end()
  await once(writer, 'exit')
  expect(await fs.readFile(at('root1/log'), 'utf8')).toBe('before\nafter\n')
})
