import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type Measure, reportMeasures, runsWanted } from './report.ts'
import { makeStoppedProfiles } from './stopped-profiles.ts'

// How long a command takes that only looks, against Node.js doing nothing; both in turn, so that noise hits both.
const folder = mkdtempSync(path.join(tmpdir(), 'tcolima-bench-'))
const runs = runsWanted(21)
const profiles = 50

/** Runs a command; gives the milliseconds it took. One that fails at once would look fast: throws for another exit code. */
function time(command: string, args: string[], home: string, exitCode = 0): number {
  const env = { PATH: process.env.PATH, HOME: folder, TCOLIMA_HOME: home }
  const began = performance.now()
  const { error, status, signal } = spawnSync(command, args, { env, stdio: 'ignore' })
  const ms = performance.now() - began
  if (error) throw error
  if (status !== exitCode) throw new Error(`${command} ${args.join(' ')} ended with ${status ?? signal}`)
  return ms
}

try {
  const none = path.join(folder, 'none')
  const many = path.join(folder, 'many')
  await makeStoppedProfiles(none, 0)
  const [first = ''] = await makeStoppedProfiles(many, profiles)
  const main = path.resolve('dist/main.cjs')
  const commands: [string, string, string[], string, number?][] = [
    ['version', process.execPath, [main, 'version'], none],
    ['list, no machine', process.execPath, [main, 'list'], none],
    [`list, ${profiles} machines`, process.execPath, [main, 'list'], many],
    ['status, stopped', process.execPath, [main, 'status', first], many, 3],
    ['--help', process.execPath, [main, '--help'], none],
    ['./tcolima version', path.resolve('tcolima'), ['version'], none],
  ]
  const measures: Measure[] = []
  for (const [what, command, args, home, exitCode] of commands) {
    const measure = { what, times: [] as number[], against: { what: 'node -e 0', times: [] as number[] } }
    time(command, args, home, exitCode)
    for (let run = 0; run < runs; run++) {
      measure.against.times.push(time(process.execPath, ['-e', '0'], none))
      measure.times.push(time(command, args, home, exitCode))
    }
    measures.push(measure)
  }
  reportMeasures('cli', measures)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
