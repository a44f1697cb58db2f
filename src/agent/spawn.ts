import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import path from 'node:path'
import { installationFolder } from '../host/assets.ts'
import { delay } from '../host/delay.ts'
import { TcolimaError } from '../host/errors.ts'
import { ensureDir } from '../host/files.ts'
import { readLock } from '../host/lock.ts'
import type { Host } from '../host/platform.ts'
import { connectablePath, isSocketAlive } from '../host/sockets.ts'
import { lastLines } from '../host/text.ts'
import type { InstancePaths } from '../instance/paths.ts'

// Milliseconds until an agent answers; taking up a machine waits for QEMU's monitor.
const limitMs = 30_000
const lookMs = 25
/** See agent/main.ts: another process holds the instance. */
const busyCode = 75

/** Where the agent of an instance listens, whether or not it does. */
export function agentSocket(paths: InstancePaths, host: Pick<Host, 'platform'>): string {
  return connectablePath(path.join(paths.folder, paths.agentSocketName), host.platform)
}

/**
 * Gives the socket of the instance's agent; starts one, detached from this terminal, when there is none. Throws `failed`
 * with the agent's last words when it does not come, `busy` when another command keeps the instance for long.
 */
export async function ensureAgent(
  home: string,
  paths: InstancePaths,
  host: Host,
  signal?: AbortSignal,
): Promise<string> {
  if (await isSocketAlive(agentSocket(paths, host))) return agentSocket(paths, host)
  await ensureDir(home)
  await ensureDir(paths.folder)
  let exit = launchAgent(home, paths)
  const until = performance.now() + limitMs
  for (;;) {
    signal?.throwIfAborted()
    // Not only our own child's: of two commands that start at once, one agent gets the instance.
    const socket = agentSocket(paths, host)
    if (await isSocketAlive(socket)) return socket
    // The holder may have been an agent at its end, which leaves the place to a new one.
    if (exit() === busyCode && readLock(paths.lock) === undefined) exit = launchAgent(home, paths)
    const code = exit()
    if (code !== undefined && code !== busyCode) throw silent('the agent could not start', paths)
    if (performance.now() > until) {
      if (code !== busyCode) throw silent(`the agent did not answer within ${limitMs / 1000} s`, paths)
      throw new TcolimaError('busy', `another command works on ${paths.profile}`, {
        hint: 'Try again when it is done.',
      })
    }
    await delay(lookMs, signal)
  }
}

// MiB. Blocks of mounted files lie outside of V8's heap, and go only when it cleans up: with its 16 that is too rare.
const youngSpace = '--max-semi-space-size=1'

/** Starts an agent on its own; gives a look at its exit code, undefined while it lives. */
function launchAgent(home: string, paths: InstancePaths): () => number | undefined {
  const log = openSync(paths.agentLog, 'a', 0o600)
  const program = path.join(installationFolder(), 'dist', 'agent.js')
  const child = spawn(process.execPath, [youngSpace, program, home, paths.profile], {
    detached: true,
    cwd: '/',
    stdio: ['ignore', log, log],
  })
  closeSync(log)
  child.unref()
  let exit: number | undefined
  child.once('exit', (code) => {
    exit = code ?? 1
  })
  child.once('error', () => {
    exit = 1
  })
  return () => exit
}

function silent(message: string, paths: InstancePaths): TcolimaError {
  return new TcolimaError('failed', message, {
    log: { path: paths.agentLog, lines: lastLines(paths.agentLog, 10) },
  })
}
