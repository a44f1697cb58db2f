import { request } from 'node:http'
import { TcolimaError } from '../host/errors.ts'
import { type Report, runStep } from '../host/progress.ts'
import { lastLines } from '../host/text.ts'
import type { InstancePaths } from '../instance/paths.ts'
import type { InstanceState } from '../instance/state.ts'
import type { Engine } from '../runtime/engine.ts'
import type { Machine } from './machine.ts'

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
  const { guest } = machine
  const fail = (what: string) => {
    throw new TcolimaError('failed', what, {
      log: { path: paths.serialLog, lines: lastLines(paths.serialLog, 15) },
    })
  }
  const withLog = async (work: Promise<void>) => {
    try {
      await work
    } catch (thrown) {
      const error = TcolimaError.from(thrown)
      if (error.code !== 'cancelled')
        error.log ??= { path: paths.serialLog, lines: lastLines(paths.serialLog, 15) }
      throw error
    }
  }
  await runStep(report, 'boot', () =>
    withLog(
      guest.wait(
        'the guest did not boot',
        () => {
          if (guest.failed.has('boot')) fail('the guest could not apply its settings')
          return guest.ready.has('boot')
        },
        bootLimitMs,
        signal,
      ),
    ),
  )
  // From here on in the guest's background: the engine starts meanwhile.
  void machine.ssh.get().catch(() => undefined)
  if (state.config.mounts.length > 0) {
    await runStep(report, 'mounts', ({ detail }) =>
      withLog(waitForMounts(machine, state, signal)).then(() => {
        detail(state.config.mounts.map((mount) => mount.mountPoint).join(', '))
      }),
    )
  }
  await runStep(report, engine.name, () =>
    withLog(
      guest
        .wait(
          `${engine.name} did not start`,
          () => {
            const broken = [...engine.units, 'ssh'].find((unit) => guest.failed.has(unit))
            if (broken !== undefined) fail(`${broken} failed in the guest`)
            return guest.ready.has(engine.readySubject)
          },
          engineLimitMs,
          signal,
        )
        .then(() => ping(input.socket, signal)),
    ),
  )
}

async function waitForMounts(machine: Machine, state: InstanceState, signal: AbortSignal): Promise<void> {
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

/** Asks the engine over its socket on the host whether it answers (Docker Engine API, "Ping"). */
async function ping(socketPath: string, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const asked = request({ socketPath, path: '/_ping', signal, timeout: 60_000 }, (response) => {
      response.resume()
      response.on('end', () => {
        if (response.statusCode === 200) resolve()
        else reject(new TcolimaError('failed', `the engine answers with status ${response.statusCode}`))
      })
    })
    asked.on('timeout', () => asked.destroy(new Error('no answer within 60 s')))
    asked.on('error', (error) =>
      reject(
        signal.aborted
          ? TcolimaError.from(signal.reason)
          : new TcolimaError('failed', `the engine does not answer on ${socketPath}: ${error.message}`, {
              cause: error,
            }),
      ),
    )
    asked.end()
  })
}
