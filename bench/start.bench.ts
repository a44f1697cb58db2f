import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { execa } from 'execa'
import { terminate } from '../src/host/processes.ts'
import { homePaths, instancePaths } from '../src/instance/paths.ts'
import { readState } from '../src/instance/state.ts'
import { bareBoot } from './bare-boot.ts'
import { type Measure, reportMeasures, runsWanted } from './report.ts'

// First start, cold start and stop by the command line; the floor is the same kernel, image, seed and devices booted by
// QEMU alone to the same readiness. Both in turn.
const runs = runsWanted(3)
const folder = mkdtempSync(path.join(tmpdir(), 'tcolima-bench-'))
const home = path.join(folder, 'home')
const profile = 'bench'
const paths = instancePaths(home, profile)
const env = {
  PATH: process.env.PATH,
  HOME: folder,
  TCOLIMA_HOME: home,
  DOCKER_CONFIG: path.join(folder, 'docker'),
}

/** Runs a command; gives the milliseconds it took. */
async function tcolima(...args: string[]): Promise<number> {
  const began = performance.now()
  await execa(process.execPath, [path.resolve('dist/main.cjs'), ...args], {
    env,
    extendEnv: false,
    stdin: 'ignore',
    stdout: 'ignore',
    stderr: 'inherit',
    timeout: 900_000,
  })
  return performance.now() - began
}

async function cleanUp(): Promise<void> {
  const state = readState(paths.state)
  if (state) await terminate(state.qemu, { graceMs: 0 })
  rmSync(folder, { recursive: true, force: true })
}

process.once('SIGINT', () => void cleanUp().finally(() => process.exit(130)))
try {
  mkdirSync(env.DOCKER_CONFIG)
  const start = ['start', profile, '--yes', '--mount', 'none', '--cpus', '2', '--memory', '2']
  const first = await tcolima(...start)
  const cold: number[] = []
  const stop: number[] = []
  const floor: number[] = []
  stop.push(await tcolima('stop', profile))
  for (let run = 0; run < runs; run++) {
    floor.push(await bareBoot(paths, homePaths(home).images, folder, spawn))
    cold.push(await tcolima(...start))
    stop.push(await tcolima('stop', profile))
  }
  const measures: Measure[] = [
    { what: 'first start, with the image build', times: [first] },
    { what: 'cold start', times: cold, against: { what: 'bare QEMU, same image', times: floor } },
    { what: 'bare QEMU to the same readiness', times: floor },
    { what: 'stop', times: stop },
  ]
  reportMeasures('start', measures)
} finally {
  await cleanUp()
}
