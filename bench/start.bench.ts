import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { homePaths, instancePaths } from '../src/instance/paths.ts'
import { bareBoot, type BareTimes } from './bare-boot.ts'
import { type CommandTimes, endProduct, type Product, timedCommand } from './product.ts'
import { type Measure, reportMeasures, runsWanted } from './report.ts'

// First start, cold start and stop by the command line; the floor is the same kernel, image, seed and devices booted by
// QEMU alone to the same readiness. Both in turn.
const runs = runsWanted(3)
const folder = mkdtempSync(path.join(tmpdir(), 'tcolima-bench-'))
const home = path.join(folder, 'home')
const dockerConfig = path.join(folder, 'docker')
const product: Product = {
  main: path.resolve('dist/main.cjs'),
  // Nothing of the developer's own machines and docker settings.
  env: {
    HOME: folder,
    TCOLIMA_HOME: home,
    TCOLIMA_PROFILE: undefined,
    DOCKER_CONFIG: dockerConfig,
    DOCKER_HOST: undefined,
    DOCKER_CONTEXT: undefined,
  },
  paths: instancePaths(home, 'bench'),
}
const { profile } = product.paths
const abort = new AbortController()
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(name, () => abort.abort(new Error('interrupted')))
}

const start: CommandTimes[] = []
const stop: number[] = []
const floor: BareTimes[] = []

try {
  mkdirSync(dockerConfig)
  tell('first start: builds the image, which takes a while')
  const first = await startAndStop()
  for (let run = 1; run <= runs; run++) {
    // Who comes first changes: a machine that grows slower meanwhile then favours neither.
    const order = run % 2 === 1 ? [bare, cold] : [cold, bare]
    for (const measure of order) tell(`run ${run} of ${runs}, ${measure.name}: ${await measure()} ms`)
  }
  reportMeasures('start', measures(first))
} catch (error) {
  if (!abort.signal.aborted) throw error
  process.exitCode = 130
} finally {
  if (abort.signal.aborted) tell('interrupted: cleaning up')
  await endProduct(product)
  rmSync(folder, { recursive: true, force: true })
}

async function startAndStop(): Promise<CommandTimes> {
  const times = await timedCommand(product, ['start', profile, '--mount', 'none'], abort.signal)
  stop.push((await timedCommand(product, ['stop', profile], abort.signal)).ms)
  return times
}

async function cold(): Promise<number> {
  const times = await startAndStop()
  start.push(times)
  return Math.round(times.ms)
}

async function bare(): Promise<number> {
  const times = await bareBoot(product.paths, homePaths(home).images, folder, abort.signal)
  floor.push(times)
  return Math.round(times.docker)
}

function measures(first: CommandTimes): Measure[] {
  const bareTimes = floor.map(({ docker }) => docker)
  const step = (name: string, all: CommandTimes[]) => all.map(({ steps }) => steps[name] ?? 0)
  return [
    {
      what: 'cold start',
      times: start.map(({ ms }) => ms),
      against: { what: 'bare QEMU', times: bareTimes },
    },
    { what: 'bare QEMU to the same readiness', times: bareTimes },
    { what: 'bare QEMU until booted', times: floor.map(({ boot }) => boot) },
    { what: 'stop', times: stop },
    ...Object.keys(start[0]?.steps ?? {}).map((name) => ({
      what: `cold: ${name}`,
      times: step(name, start),
    })),
    { what: 'first start, with the image build', times: [first.ms] },
    ...Object.keys(first.steps).map((name) => ({ what: `first: ${name}`, times: step(name, [first]) })),
  ]
}

function tell(line: string): void {
  process.stderr.write(`${line}\n`)
}
