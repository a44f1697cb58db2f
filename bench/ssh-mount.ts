import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { externalName } from '../src/config/profile.ts'
import { run } from '../src/host/run.ts'
import { inGuest } from './machine.ts'
import type { Product } from './product.ts'

/** A mount that is not the product's. */
export interface SshMount {
  /** Where it lies in the guest. */
  path: string
  close(): void
}

// Of Debian, Fedora, SUSE and macOS.
const servers = [
  '/usr/lib/openssh/sftp-server',
  '/usr/libexec/openssh/sftp-server',
  '/usr/lib/ssh/sftp-server',
  '/usr/libexec/sftp-server',
]

/**
 * Mounts a folder of the host as Lima and Colima do: OpenSSH's sftp-server on the host, joined to sshfs in the guest
 * through the OpenSSH client with its own defaults. Throws when the host has no sftp-server, or sshfs does not mount.
 */
export async function mountOverSsh(
  product: Product,
  folder: string,
  scratch: string,
  signal: AbortSignal,
): Promise<SshMount> {
  const server = servers.find((file) => existsSync(file))
  if (server === undefined) throw new Error('no sftp-server of OpenSSH on this host')
  const path = '/mnt/over-ssh'
  const pipe = `${scratch}/over-ssh`
  await run('mkfifo', [pipe])
  await inGuest(product, ['sudo', 'mkdir', '-p', path], signal)
  const remote = `sudo sshfs -f :${folder} ${path} -o slave -o allow_other`
  const alias = externalName(product.paths.profile)
  // The shell joins the two without a process between them that would copy.
  const script = 'ssh -F "$1" "$2" "$3" <"$5" | "$4" >"$5"'
  const args = ['-c', script, 'sh', product.paths.sshConfig, alias, remote, server, pipe]
  const child = spawn('sh', args, { stdio: 'ignore', detached: true })
  const close = () => endGroup(child)
  try {
    const wait = `for i in $(seq 300); do grep -q " ${path} " /proc/mounts && exit 0; sleep 0.1; done; exit 1`
    await inGuest(product, ['sh', '-c', wait], signal)
  } catch (error) {
    close()
    throw new Error('sshfs over SSH did not mount within 30 s', { cause: error })
  }
  return { path, close }
}

function endGroup(child: ChildProcess): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, 'SIGTERM')
  } catch {
    // Gone by itself.
  }
}
