import { type ChildProcess, type ChildProcessWithoutNullStreams, execFile, spawn } from 'node:child_process'
import { promises as fs } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { Duplex } from 'node:stream'
import { sshfsOptions } from '../../../src/mounts/options.ts'
import { type SftpSession, type ShareOptions, serveSftp } from '../../../src/mounts/server.ts'

/** A running sshfs, and what it said on stderr. */
type Sshfs = ChildProcessWithoutNullStreams & { errors: Buffer[] }

/** A folder of the host, mounted on another by a real sshfs. */
export interface Mounted {
  root: string
  mount: string
  session: SftpSession
  /** Runs a shell script in the mounted folder; gives its output. Rejects when it fails. */
  sh(script: string): Promise<string>
  unmount(): Promise<void>
}

/**
 * Mounts a fresh folder with the options the guest gets. All work on the mount must be done by other processes (`sh`):
 * file calls of this one would wait for the server, which is in this one.
 */
export async function mountFresh(writable = true, more: Partial<ShareOptions> = {}): Promise<Mounted> {
  const top = await fs.mkdtemp(path.join(os.tmpdir(), 'tcolima-sshfs-'))
  const root = path.join(top, 'root')
  const mount = path.join(top, 'mnt')
  await fs.mkdir(root)
  await fs.mkdir(mount)
  const child = await startSshfs(mount)
  const session = serveSftp(Duplex.from({ readable: child.stdout, writable: child.stdin }), {
    root,
    writable,
    ...more,
  })
  const unmount = async () => {
    await output('umount', ['-l', mount]).catch(() => '')
    await gone(child)
    await session.close()
    await fs.rm(top, { recursive: true, force: true })
  }
  // Not by `cwd`: this process waits for its child's `chdir`, and so could not serve it.
  const sh = (script: string) => output('bash', ['-ec', `cd '${mount}'; ${script}`])
  try {
    await mounted(mount, child)
  } catch (error) {
    await unmount()
    throw error
  }
  return { root, mount, session, sh, unmount }
}

/** Starts sshfs with the options the guest gets; it speaks SFTP over its stdin and stdout. */
export async function startSshfs(mount: string): Promise<Sshfs> {
  const help = await output('sshfs', ['--help'])
  // Also for a read-only share, which is so by a bind mount there, and by the server.
  const options = sshfsOptions({ writable: true })
  // As the guest does where its sshfs knows it.
  if (help.includes('no_contain_symlinks')) options.push('no_contain_symlinks')
  const child = spawn('sshfs', ['-f', ':/', mount, '-o', options.join(',')])
  const errors: Buffer[] = []
  child.stderr.on('data', (chunk: Buffer) => errors.push(chunk))
  return Object.assign(child, { errors })
}

/** Runs a program; gives what it printed. Rejects with its errors. */
export function output(program: string, args: string[], cwd?: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { cwd, timeout: 50_000, maxBuffer: 1 << 26 }
    execFile(program, args, options, (error, stdout, stderr) => {
      if (error) reject(new Error(`${program} ${args.join(' ')}: ${error.message} ${stderr}`))
      else resolve(stdout)
    })
  })
}

/** Resolves when sshfs has mounted; rejects with what it said when it does not. */
export async function mounted(mount: string, child: Sshfs): Promise<void> {
  for (let turn = 0; turn < 200; turn++) {
    if ((await fs.readFile('/proc/self/mounts', 'utf8')).includes(` ${mount} fuse.sshfs `)) return
    if (child.exitCode !== null) break
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`sshfs did not mount: ${Buffer.concat(child.errors).toString()}`)
}

/** Resolves when a process has ended, by force after a while. */
export async function gone(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const timer = setTimeout(() => child.kill('SIGKILL'), 3000)
  await exit
  clearTimeout(timer)
}
