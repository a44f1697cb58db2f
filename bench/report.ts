import { mkdirSync, writeFileSync } from 'node:fs'
import { arch, cpus, platform } from 'node:os'
import { table } from '../src/cli/render/table.ts'

/** One line of a benchmark: times in milliseconds, of which the median counts, against a baseline of the same run. */
export interface Measure {
  what: string
  times: number[]
  /** The baseline's name and times. */
  against?: { what: string; times: number[] }
}

/** The middle of some numbers. */
export function median(numbers: number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b)
  const at = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? (sorted[at] ?? 0) : ((sorted[at - 1] ?? 0) + (sorted[at] ?? 0)) / 2
}

/** Prints the measures as a table and as JSON, and keeps the JSON in bench/results. */
export function reportMeasures(name: string, measures: Measure[]): void {
  const rows = measures.map(({ what, times, against }) => {
    const own = median(times)
    const base = against === undefined ? undefined : median(against.times)
    return {
      what,
      runs: times.length,
      medianMs: Math.round(own * 10) / 10,
      minMs: Math.round(Math.min(...times) * 10) / 10,
      maxMs: Math.round(Math.max(...times) * 10) / 10,
      against: against?.what,
      ratio: base === undefined ? undefined : Math.round((own / base) * 100) / 100,
    }
  })
  const heads = ['WHAT', 'RUNS', 'MEDIAN ms', 'MIN', 'MAX', 'RATIO', 'AGAINST']
  const cells = rows.map((row) =>
    [row.what, row.runs, row.medianMs, row.minMs, row.maxMs, row.ratio ?? '', row.against ?? ''].map(String),
  )
  process.stdout.write(table([heads, ...cells]))
  keepResults(name, { rows })
}

/** Prints results as one line of JSON, with what they were measured on, and keeps it in bench/results. */
export function keepResults(name: string, results: object): void {
  const host = { platform: platform(), arch: arch(), cpus: cpus().length, node: process.version }
  const json = JSON.stringify({ name, time: new Date().toISOString(), host, ...results })
  process.stdout.write(`${json}\n`)
  mkdirSync('bench/results', { recursive: true })
  writeFileSync(`bench/results/${name}.json`, `${json}\n`)
}

/** The number behind `--runs`, or the default. */
export function runsWanted(usual: number): number {
  return numberWanted('--runs', usual)
}

/** The whole number behind a flag, or the default. */
export function numberWanted(flag: string, usual: number): number {
  const at = process.argv.indexOf(flag)
  const number = at < 0 ? usual : Number(process.argv[at + 1])
  if (!Number.isInteger(number) || number < 1) throw new Error(`${flag} takes a whole number from 1`)
  return number
}
