import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { execa, type Options } from 'execa'
import { inject } from 'vitest'
import { readState } from '../../src/instance/state.ts'
import { instancePaths } from '../../src/instance/paths.ts'
import { readLock } from '../../src/host/lock.ts'
import { isAlive, type ProcessId, terminate } from '../../src/host/processes.ts'

/** What global.ts prepares for every file. */
export interface Shared {
  /** The tcolima home whose image is built; `shared` runs in it. */
  home: string
  /** HOME of the commands: not the developer's. */
  userHome: string
  /** A folder with an awkward name that is mounted besides `userHome`. */
  oddFolder: string
  /** A docker image of busybox as a tar file for `docker import`. */
  busyboxTar: string
}

declare module 'vitest' {
  export interface ProvidedContext {
    shared: Shared
  }
}

const main = path.resolve(import.meta.dirname, '../../dist/main.cjs')

/** The environment of a user with a home of their own. */
export function userEnv(shared: Shared, more: Record<string, string> = {}): Record<string, string> {
  const {
    HOME: _home,
    DOCKER_HOST: _host,
    DOCKER_CONFIG: _config,
    TCOLIMA_PROFILE: _profile,
    ...rest
  } = process.env
  return { ...(rest as Record<string, string>), HOME: shared.userHome, TCOLIMA_HOME: shared.home, ...more }
}

/** Runs the command line as a user would; never throws for an exit code. */
export function tcolima(args: string[], options: Options & { env?: Record<string, string> } = {}) {
  const env = options.env ?? userEnv(inject('shared'))
  return execa(process.execPath, [main, ...args], {
    reject: false,
    stdin: 'ignore',
    timeout: 300_000,
    ...options,
    env,
    extendEnv: false,
  })
}

/** Runs the docker client against an instance's socket. */
export function docker(profile: string, args: string[], options: Options = {}) {
  const shared = inject('shared')
  const socket = path.join(shared.home, profile, 'docker.sock')
  return execa('docker', args, {
    reject: false,
    stdin: 'ignore',
    timeout: 300_000,
    ...options,
    env: { ...userEnv(shared), DOCKER_HOST: `unix://${socket}`, ...options.env },
    extendEnv: false,
  })
}

/** Runs the podman client against an instance's socket. */
export function podman(profile: string, args: string[], options: Options = {}) {
  const shared = inject('shared')
  const socket = path.join(shared.home, profile, 'podman.sock')
  return execa('podman', ['--url', `unix://${socket}`, ...args], {
    reject: false,
    stdin: 'ignore',
    timeout: 300_000,
    ...options,
    env: { ...userEnv(shared), ...options.env },
    extendEnv: false,
  })
}

/** The processes of an instance: QEMU by its state file, the agent by the lock it holds. */
export function processesOf(home: string, profile: string): { qemu?: ProcessId; agent?: ProcessId } {
  const paths = instancePaths(home, profile)
  const qemu = readState(paths.state)?.qemu
  const agent = readLock(paths.lock)?.owner
  return { ...(qemu && isAlive(qemu) ? { qemu } : {}), ...(agent ? { agent } : {}) }
}

/** Ends whatever runs of an instance, for clean-up after a test that failed. */
export async function endProcesses(home: string, profile: string): Promise<void> {
  const { qemu, agent } = processesOf(home, profile)
  if (agent) await terminate(agent, { graceMs: 3000 })
  if (qemu) await terminate(qemu, { graceMs: 0 })
}

/** Asks until `check` gives something, for `limitMs` milliseconds at most. */
export async function eventually<T>(
  check: () => Promise<T | undefined> | T | undefined,
  limitMs: number,
): Promise<T> {
  const until = performance.now() + limitMs
  for (;;) {
    const found = await check()
    if (found !== undefined) return found
    if (performance.now() > until) throw new Error(`not within ${limitMs} ms`)
    await new Promise((resolve) => {
      setTimeout(resolve, 50)
    })
  }
}

/** A folder for one test file, removed by the returned function. */
export function temporaryFolder(): { folder: string; remove: () => void } {
  const folder = mkdtempSync(path.join(tmpdir(), 'tcolima-vm-'))
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) }
}
