import { readLock } from '../src/host/lock.ts'
import { terminate, waitForEnd } from '../src/host/processes.ts'
import { run } from '../src/host/run.ts'
import type { InstancePaths } from '../src/instance/paths.ts'
import { readState } from '../src/instance/state.ts'

/** The command line, and whose it is. */
export interface Product {
  main: string
  /** Variables beside those of this process; undefined takes one away. */
  env: NodeJS.ProcessEnv
  paths: InstancePaths
}

/** The milliseconds of a command, and of its steps as it told them with `--json`. */
export interface CommandTimes {
  ms: number
  steps: Record<string, number>
}

interface StepEvent {
  type: string
  step: string
  state: string
  ms: number
}

/** The rest of a command's time: Node.js, the agent coming up, QEMU being launched. */
const betweenSteps = 'between steps'

/** Runs a command with `--json` as a user does; gives how long it took. Throws when it fails, or on abort. */
export async function timedCommand(
  { main, env }: Product,
  words: string[],
  signal: AbortSignal,
): Promise<CommandTimes> {
  const began = performance.now()
  const { stdout } = await run(process.execPath, [main, ...words, '--json'], { env, signal })
  const ms = performance.now() - began
  const events = stdout.split('\n').map((line) => JSON.parse(line) as StepEvent)
  const done = events.filter(({ type, state }) => type === 'step' && state === 'done')
  const between = done.reduce((rest, event) => rest - event.ms, ms)
  return {
    ms,
    steps: { ...Object.fromEntries(done.map((event) => [event.step, event.ms])), [betweenSteps]: between },
  }
}

// Milliseconds an agent has to take back what it was at, such as the build of an image.
const leaveLimitMs = 20_000

/** Ends whatever runs of the machine, however far a start had come. */
export async function endProduct({ main, env, paths }: Product): Promise<void> {
  const words = ['stop', paths.profile, '--force']
  await run(process.execPath, [main, ...words], { env, allow: 'any', timeoutMs: 60_000 }).catch(
    () => undefined,
  )
  const agent = readLock(paths.lock)?.owner
  if (agent && !(await waitForEnd(agent, leaveLimitMs))) await terminate(agent, { graceMs: 3000 })
  // After the agent, which could have started it a moment ago.
  const qemu = readState(paths.state)?.qemu
  if (qemu) await terminate(qemu, { graceMs: 0 })
}
