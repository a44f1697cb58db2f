import { errnoOf, messageOf, TcolimaError } from '../host/errors.ts'
import { ensureDir } from '../host/files.ts'
import { acquireLock, type Lock } from '../host/lock.ts'
import { currentHost } from '../host/platform.ts'
import { prepareSocketPath, removeSocket } from '../host/sockets.ts'
import { instancePaths } from '../instance/paths.ts'
import type { AgentContext } from './context.ts'
import { agentServer } from './server.ts'
import { Supervisor } from './supervisor.ts'

/** Exit code when another process holds the instance. */
const busyCode = 75
// Milliseconds an agent waits for its first request.
const patienceMs = 15_000

await main().catch((error: unknown) => {
  log(`the agent ends: ${messageOf(error)}`)
  process.exitCode = error instanceof TcolimaError && error.code === 'busy' ? busyCode : 1
})

/** The agent of one instance: `agent.js HOME PROFILE`. Its standard error is its log. */
async function main(): Promise<void> {
  const [home = '', profile = ''] = process.argv.slice(2)
  const paths = instancePaths(home, profile)
  const context: AgentContext = { home, paths, host: currentHost(), log }
  await ensureDir(home)
  await ensureDir(paths.folder)
  const lock = await acquireLock(paths.lock, { purpose: 'agent' })
  await serve(context, lock)
}

async function serve(context: AgentContext, lock: Lock): Promise<void> {
  const { paths, host } = context
  const place = await prepareSocketPath(paths.folder, paths.agentSocketName, host)
  const endIfIdle = () => {
    if (supervisor.status().phase === 'idle' && agent.clients() === 0) void end(0)
  }
  const supervisor = new Supervisor(context, () => setImmediate(endIfIdle))
  const agent = agentServer(supervisor, log, () => setImmediate(endIfIdle))
  const end = async (code: number) => {
    agent.server.close()
    await removeSocket(place.link ?? place.path, host.platform).catch(() => undefined)
    lock.release()
    process.exit(code)
  }
  // Unlike a crash: QEMU runs on, what is ours is withdrawn, and the next command starts another agent.
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      log(`${signal}: letting go`)
      void supervisor
        .release()
        .catch((error: unknown) => log(messageOf(error)))
        .then(() => end(0))
    })
  }
  // The terminal of the command that started this agent is not ours.
  process.on('SIGHUP', () => undefined)
  process.on('uncaughtException', (error) => {
    // Streams of guests and clients break in every way; a reset must not end the machine's services.
    log(`unexpected: ${errnoOf(error) ?? ''} ${error.stack ?? error.message}`)
  })
  process.on('unhandledRejection', (reason) => log(`unexpected: ${messageOf(reason)}`))

  const adopted = await supervisor.adopt().catch((error: unknown) => {
    log(`the running machine cannot be taken up: ${messageOf(error)}`)
    return false
  })
  // The lock is ours: a socket that is there has no owner.
  await removeSocket(place.path, host.platform)
  await new Promise<void>((resolve, reject) => {
    agent.server.once('error', reject)
    const before = process.umask(0o177)
    agent.server.listen(place.path, () => {
      process.umask(before)
      resolve()
    })
  })
  log(`agent ${process.pid} of ${paths.profile} is there`)
  // Whoever started this agent asks something of it at once.
  if (!adopted) setTimeout(endIfIdle, patienceMs).unref()
}

function log(line: string): void {
  process.stderr.write(`${new Date().toISOString()} ${line}\n`)
}
