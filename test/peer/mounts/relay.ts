import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, promises as fs } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { build } from 'esbuild'
import { sshfsOptions } from '../../../src/mounts/options.ts'
import { makeWindow } from '../../../src/mounts/window.ts'
import { output } from './sshfs.ts'

const source = path.resolve(import.meta.dirname, '../../../guest/rootfs/usr/lib/tcolima/sshfs-link')

/** A folder of the host, mounted by a real sshfs behind the guest's relay; its server can be killed. */
export interface Relayed {
  top: string
  root: string
  mount: string
  relay: ChildProcess
  /** What sshfs and the relay said. */
  said(): string
  /** Kills the server with SIGKILL, at any moment. */
  killServer(): Promise<void>
  /** Starts the next server. */
  startServer(): Promise<void>
  end(): Promise<void>
}

/**
 * Mounts a fresh folder. All work on the mount must be done by other processes. `around`: C that the relay's calls of the C
 * library go through.
 */
export async function mountRelayed(around = ''): Promise<Relayed> {
  const top = await fs.realpath(await fs.mkdtemp(path.join(os.tmpdir(), 'tcolima-relay-')))
  const at = (name: string) => path.join(top, name)
  const [root, mount, socket] = [at('root'), at('mnt'), at('socket')]
  await fs.mkdir(root)
  await fs.mkdir(mount)
  makeWindow(at('window'))
  const entryPoints = [path.join(import.meta.dirname, 'relay-server.ts')]
  await build({ entryPoints, outfile: at('server.mjs'), bundle: true, platform: 'node', format: 'esm' })

  let server: ChildProcess | undefined
  const killServer = async () => {
    const child = server
    server = undefined
    if (!child) return
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }
  const startServer = async () => {
    await fs.rm(socket, { force: true })
    const args = [at('server.mjs'), socket, root, at('journal'), at('window')]
    server = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit'] })
    await until(() => existsSync(socket))
  }
  await startServer()

  let relay: RelayedSshfs
  try {
    relay = await relaySshfs(top, socket, mount, at('window'), around)
  } catch (error) {
    await killServer()
    await fs.rm(top, { recursive: true, force: true })
    throw error
  }
  const end = async () => {
    await relay.end()
    await killServer()
    await fs.rm(top, { recursive: true, force: true })
  }
  return { top, root, mount, relay: relay.process, said: () => relay.said(), killServer, startServer, end }
}

/** A real sshfs behind the guest's relay. */
export interface RelayedSshfs {
  process: ChildProcess
  /** What sshfs and the relay said. */
  said(): string
  end(): Promise<void>
}

/**
 * Mounts what is served on a Unix socket; the relay is compiled in the folder `top`. `window`: what it shares with the server.
 * `around`: as `mountRelayed` takes it.
 */
export async function relaySshfs(
  top: string,
  socket: string,
  mount: string,
  window = '',
  around = '',
): Promise<RelayedSshfs> {
  const library = path.join(top, 'sshfs-link.so')
  const files = (await fs.readdir(source)).filter((name) => name.endsWith('.c'))
  const sources = files.map((name) => path.join(source, name))
  if (around) {
    sources.push(path.join(top, 'around.c'))
    await fs.writeFile(path.join(top, 'around.c'), around)
  }
  await output('cc', ['-Wall', '-Wextra', '-Werror', '-shared', '-fPIC', '-o', library, ...sources])
  const options = sshfsOptions({ writable: true })
  const help = await output('sshfs', ['--help'])
  if (help.includes('no_contain_symlinks')) options.push('no_contain_symlinks')
  const relay = spawn('sshfs', ['-f', ':/', mount, '-o', options.join(',')], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, LD_PRELOAD: library, TCOLIMA_PORT: socket, TCOLIMA_WINDOW: window },
  })
  let said = ''
  for (const stream of [relay.stdout, relay.stderr])
    stream.on('data', (chunk: Buffer) => {
      said += chunk.toString()
    })
  const end = async () => {
    await output('umount', ['-l', mount]).catch(() => '')
    if (relay.exitCode === null && relay.signalCode === null) {
      const gone = once(relay, 'exit')
      relay.kill('SIGKILL')
      await gone
    }
  }
  try {
    await until(async () => (await mounts()).includes(` ${mount} fuse.sshfs `))
  } catch (error) {
    await end()
    throw new Error(`sshfs did not mount: ${said}`, { cause: error })
  }
  return { process: relay, said: () => said, end }
}

/** The mounts of this machine. */
export async function mounts(): Promise<string> {
  return fs.readFile('/proc/self/mounts', 'utf8')
}

/** Waits until a condition holds, 10 s at most. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const limit = performance.now() + 10_000
  while (!(await condition())) {
    if (performance.now() > limit) throw new Error('not within 10 s')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
