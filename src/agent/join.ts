import { readdirSync } from 'node:fs'
import type { Config } from '../config/schema.ts'
import { delay } from '../host/delay.ts'
import { messageOf, TcolimaError } from '../host/errors.ts'
import { type Report, runStep } from '../host/progress.ts'
import { instancePaths } from '../instance/paths.ts'
import { readRecord } from '../instance/record.ts'
import { agentSocket } from './spawn.ts'
import { autostarted } from '../host/autostart.ts'
import { isAlive } from '../host/processes.ts'
import { readState } from '../instance/state.ts'
import { askAgent } from './ask.ts'
import type { Admission, AgentMethods, AgentStatus } from './api.ts'
import { type CallOptions, callAgent } from './client.ts'
import type { AgentContext } from './context.ts'
import { nodeName } from './gone-workers.ts'
import { markGone, readWorkers } from './workers.ts'

// Milliseconds for a server to take a node away; software emulation takes its time.
const dismissMs = 240_000
// Milliseconds for a server to let one in: its k3s may have to start anew, which has 20 minutes under software emulation. Two that ask each
// other wait for each other.
const admitMs = 30 * 60_000
// Milliseconds for a server to come to the end of its start; between two looks.
const startMs = 60_000
const lookMs = 1000
// The same where all start with this computer, and for the server's start to begin.
const loginStartMs = 15 * 60_000
const loginBeginMs = 3 * 60_000

/**
 * Asks the machine whose cluster this one is to join, by the settings, to let it in; undefined where the settings name none. One that
 * starts is waited for; at a login, where both may start, also one that does not yet. Throws `config` for a machine that names itself,
 * `not-found` and `not-running` for one without a cluster that runs, `busy` for one whose start goes on.
 */
export async function askAdmission(
  { home, host, paths }: Pick<AgentContext, 'home' | 'host' | 'paths'>,
  { kubernetes }: Pick<Config, 'kubernetes'>,
  mirror: string | undefined,
  report: Report,
  signal: AbortSignal,
): Promise<Admission | undefined> {
  const { enabled, join } = kubernetes
  if (!enabled || join === '') return undefined
  if (join === paths.profile) {
    throw new TcolimaError('config', `${join} cannot join a cluster of its own`, {
      hint: 'kubernetes.join names another machine; "" makes a cluster here.',
    })
  }
  const socket = agentSocket(instancePaths(home, join), host)
  try {
    const node = nodeName(paths, readRecord(paths.record))
    const worker = { name: paths.profile, node }
    const ask = async () =>
      await askServer({ home, host }, join, 'admit', { worker, mirror }, { report, signal, limitMs: admitMs })
    return await ask().catch(async (error: unknown) => {
      const { code } = TcolimaError.from(error)
      const atLogin = host.env[autostarted] !== undefined
      if (code !== 'busy' && !(atLogin && code === 'not-running')) throw error
      await runStep(report, `wait for ${join}`, async () => await started(socket, atLogin, signal))
      return await ask()
    })
  } catch (thrown) {
    const error = TcolimaError.from(thrown)
    if (error.code !== 'not-running') throw error
    throw new TcolimaError(
      'not-running',
      `${join}, whose cluster ${paths.profile} is to join, has none that runs`,
      {
        cause: error,
        hint: `Start it first: tcolima start ${join} --kubernetes. Without the cluster: tcolima start ${paths.profile} --kubernetes=false`,
      },
    )
  }
}

/** Makes a request of another machine's agent; one that runs without, for its agent was killed, gets a new one first. */
async function askServer<M extends 'admit' | 'dismiss'>(
  { home, host }: Pick<AgentContext, 'home' | 'host'>,
  server: string,
  method: M,
  params: AgentMethods[M]['params'],
  options: CallOptions,
): Promise<AgentMethods[M]['result']> {
  const paths = instancePaths(home, server)
  const qemu = readState(paths.state)?.qemu
  if (qemu && isAlive(qemu)) return await askAgent(home, paths, host, method, params, options)
  return await callAgent(agentSocket(paths, host), method, params, options)
}

/** Waits until a machine's start is over, or takes longer than it is waited for; at a login also until it begins. */
async function started(socket: string, atLogin: boolean, signal: AbortSignal): Promise<void> {
  const from = performance.now()
  for (;;) {
    const phase = await phaseOf(socket, signal)
    if (phase === 'running') return
    const limit = phase !== 'starting' ? loginBeginMs : atLogin ? loginStartMs : startMs
    if ((phase !== 'starting' && !atLogin) || performance.now() - from > limit) return
    await delay(lookMs, signal)
  }
}

/** What a machine does; undefined where it does nothing. */
async function phaseOf(socket: string, signal: AbortSignal): Promise<AgentStatus['phase'] | undefined> {
  try {
    return (await callAgent(socket, 'status', {}, { signal, limitMs: startMs })).phase
  } catch (error) {
    if (TcolimaError.from(error).code === 'not-running') return undefined
    throw error
  }
}

/**
 * Takes a machine out of the cluster of another: its node there, and with `forget` its address. Where the server does not run its node
 * goes with its next start. Gives a warning where that did not work. Never throws.
 */
export async function leaveServer(
  { home, host }: Pick<AgentContext, 'home' | 'host'>,
  server: string,
  worker: string,
  forget: boolean,
): Promise<string | undefined> {
  try {
    await askServer({ home, host }, server, 'dismiss', { worker, forget }, { limitMs: dismissMs })
    return undefined
  } catch (thrown) {
    const error = TcolimaError.from(thrown)
    if (error.code !== 'not-running') return `${worker} is still a node of ${server}: ${error.message}`
    // Nobody looks after it: its file is nobody's else.
    return forget ? await markIn(instancePaths(home, server).workers, worker) : undefined
  }
}

/** Takes a machine that does not run out of all clusters that it is a node of, except the one it is to join. Warns where that fails. */
export async function leaveOthers(
  { home, host, paths }: Pick<AgentContext, 'home' | 'host' | 'paths'>,
  { kubernetes }: Pick<Config, 'kubernetes'>,
  report: Report,
): Promise<void> {
  for (const server of serversOf(home, paths.profile)) {
    if (server === kubernetes.join) continue
    const warning = await leaveServer({ home, host }, server, paths.profile, true)
    if (warning !== undefined) report({ type: 'warning', text: warning })
  }
}

/** The machines of a home that have another one among their workers, and do not know that it left. */
export function serversOf(home: string, worker: string): string[] {
  return readdirSync(home).filter((name) => {
    if (/^[_.]/.test(name)) return false
    return (
      readWorkers(instancePaths(home, name).workers)?.some((each) => each.name === worker && !each.gone) ===
      true
    )
  })
}

async function markIn(file: string, worker: string): Promise<string | undefined> {
  try {
    await markGone(file, worker)
    return undefined
  } catch (error) {
    return `${file} still names ${worker}: ${messageOf(error)}`
  }
}
