import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type Measure, reportMeasures, runsWanted } from './report.ts'

// How long a command takes that only looks, against Node.js doing nothing; both in turn, so that noise hits both.
const folder = mkdtempSync(path.join(tmpdir(), 'tcolima-bench-'))
const runs = runsWanted(21)
const profiles = 50

function time(command: string, args: string[], home: string): number {
  const env = { PATH: process.env.PATH, HOME: folder, TCOLIMA_HOME: home }
  const began = performance.now()
  const { error } = spawnSync(command, args, { env, stdio: 'ignore' })
  if (error) throw error
  return performance.now() - began
}

/** A home with machines that were made and stopped. */
function homeWith(count: number): string {
  const home = path.join(folder, `home${count}`)
  mkdirSync(home)
  for (let each = 0; each < count; each++) {
    const instance = path.join(home, `profile${each}`)
    mkdirSync(instance)
    const record = { version: 1, arch: 'x86_64', runtime: 'docker' }
    writeFileSync(path.join(instance, 'instance.json'), JSON.stringify(record))
    writeFileSync(path.join(instance, 'tcolima.yaml'), 'cpu: 2\n')
  }
  return home
}

try {
  const none = homeWith(0)
  const many = homeWith(profiles)
  const main = path.resolve('dist/main.cjs')
  const commands: [string, string, string[], string][] = [
    ['version', process.execPath, [main, 'version'], none],
    ['list, no machine', process.execPath, [main, 'list'], none],
    [`list, ${profiles} machines`, process.execPath, [main, 'list'], many],
    ['status, stopped', process.execPath, [main, 'status', 'profile1'], many],
    ['--help', process.execPath, [main, '--help'], none],
    ['./tcolima version', path.resolve('tcolima'), ['version'], none],
  ]
  const measures: Measure[] = []
  for (const [what, command, args, home] of commands) {
    const measure = { what, times: [] as number[], against: { what: 'node -e 0', times: [] as number[] } }
    time(command, args, home)
    for (let run = 0; run < runs; run++) {
      measure.against.times.push(time(process.execPath, ['-e', '0'], none))
      measure.times.push(time(command, args, home))
    }
    measures.push(measure)
  }
  reportMeasures('cli', measures)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
