import { TcolimaError } from '../host/errors.ts'
import { type Report, runStep } from '../host/progress.ts'
import { lastLines } from '../host/text.ts'
import type { InstancePaths } from '../instance/paths.ts'
import type { InstanceState } from '../instance/state.ts'
import type { Engine } from '../runtime/engine.ts'
import type { Machine } from './machine.ts'
import { waitForProbes } from './probes.ts'
import { waitProvisioned } from './provisioning.ts'

// Milliseconds. Software emulation on a busy machine takes minutes where hardware takes seconds.
const bootLimitMs = 5 * 60_000
const mountLimitMs = 60_000
const engineLimitMs = 5 * 60_000

/** What waiting for a machine needs. */
export interface ReadyInput {
  machine: Machine
  state: InstanceState
  paths: InstancePaths
  engine: Engine
  /** Path of the engine's first socket on the host. */
  socket: string
  report: Report
  signal: AbortSignal
}

/** Waits, step by step, until the guest has booted, its mounts are there and the engine answers on the host. */
export async function waitReady(input: ReadyInput): Promise<void> {
  const { machine, state, paths, engine, report, signal } = input
  await runStep(report, 'boot', () => explained(paths, waitForBoot(input)))
  // From here on in the guest's background: the engine starts meanwhile.
  void machine.ssh.get().catch(() => undefined)
  const { mounts } = state.config
  if (mounts.length > 0) {
    await runStep(report, 'mounts', async ({ detail }) => {
      await explained(paths, waitForMounts(input))
      detail(mounts.map((mount) => mount.mountPoint).join(', '))
    })
  }
  const { guest } = machine
  const provisioning = { profile: paths.profile, guest, scripts: state.config.provision, report, signal }
  machine.warnings.push(...(await waitProvisioned('boot', provisioning)))
  await runStep(report, engine.readySubject, () => explained(paths, waitForEngine(input)))
  machine.warnings.push(...(await waitProvisioned('ready', provisioning)))
  const exec = async (command: string) => await (await machine.ssh.get()).exec(command)
  await waitForProbes(state.config.probes, exec, report, signal)
}

/** What `work` throws gets the last lines of the guest's console, and what to do next. */
async function explained(paths: InstancePaths, work: Promise<void>): Promise<void> {
  try {
    await work
  } catch (thrown) {
    const error = TcolimaError.from(thrown)
    if (error.code === 'cancelled') throw error
    const { profile, serialLog: path } = paths
    throw new TcolimaError(error.code, error.message, {
      cause: error,
      log: error.log ?? { path, lines: lastLines(path, 15) },
      hint:
        error.hint ??
        `Start it again; \`tcolima logs ${profile} --source serial\` shows more. \`tcolima delete ${profile}\` and a start make the machine anew and keep the data disk.`,
    })
  }
}

async function waitForBoot({ machine: { guest }, signal }: ReadyInput): Promise<void> {
  const booted = () => {
    if (guest.failed.has('boot')) throw new TcolimaError('failed', 'the guest could not apply its settings')
    return guest.ready.has('boot')
  }
  await guest.wait('the guest did not boot', booted, bootLimitMs, signal)
}

async function waitForEngine({ machine: { guest }, engine, socket, signal }: ReadyInput): Promise<void> {
  const started = () => {
    const broken = [...engine.units, 'ssh'].find((unit) => guest.failed.has(unit))
    if (broken !== undefined) throw new TcolimaError('failed', `${broken} failed in the guest`)
    return guest.ready.has(engine.readySubject)
  }
  await guest.wait(`${engine.name} did not start`, started, engineLimitMs, signal)
  await engine.ping?.(socket, signal)
}

async function waitForMounts({ machine, state, signal }: ReadyInput): Promise<void> {
  const { mounts } = state.config
  await machine.guest.wait(
    'the guest did not mount all folders',
    () => {
      for (const [index, mount] of mounts.entries()) {
        const found = machine.guest.mounts.get(index)
        if (found?.state === 'failed' && found.detail !== '') {
          throw new TcolimaError('failed', `${mount.location} could not be mounted: ${found.detail}`)
        }
      }
      return mounts.every((_, index) => machine.guest.mounts.get(index)?.state === 'mounted')
    },
    mountLimitMs,
    signal,
  )
}
