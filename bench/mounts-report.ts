import { table } from '../src/cli/render/table.ts'
import type { Memory } from './mounts-memory.ts'
import { keepResults, median } from './report.ts'

/** Milliseconds of one measurement, by the name of what it was measured on; `mount` is the product's. */
export interface MountMeasure {
  what: string
  /** How many times the time of the mount that of a baseline shall be at least. */
  wanted: Record<string, number>
  times: Record<string, number[]>
}

/** MiB that the agent may have at most, and by how many it may grow. */
const memoryLimit = 100
const growthLimit = 10

/** Prints the medians, and how many times faster the mount is than each of the others; keeps everything as JSON. */
export function reportMounts(measures: MountMeasure[], others: string[], memory: Memory): void {
  const rows = measures.map((measure) => ({ ...measure, ...compare(measure, others) }))
  const heads = [
    'WHAT',
    'MOUNT ms',
    'MIN',
    'MAX',
    ...others.flatMap((name) => [`${name} ms`, 'RATIO']),
    'AS WANTED',
  ]
  const cells = rows.map(({ what, times, ratios, missed }) => [
    what,
    ...figures(times['mount'] ?? []),
    ...others.flatMap((name) => [figures(times[name] ?? [])[0] ?? '', String(ratios[name] ?? '')]),
    missed.length === 0 ? 'yes' : `no: ${missed.join(', ')}`,
  ])
  process.stdout.write(table([heads, ...cells]))
  const { before, peak, after, flowed } = memory
  const flat = peak < memoryLimit && peak - before < growthLimit
  const [first, most, last] = [before, peak, after].map(Math.round)
  process.stdout.write(
    `agent's memory: ${first} MiB before, ${most} at most, ${last} after ${flowed} MiB and a slow reader; ` +
      `as wanted (below ${memoryLimit}, growth below ${growthLimit}): ${flat ? 'yes' : 'no'}\n`,
  )
  keepResults('mounts', { rows, memory })
}

function compare({ wanted, times }: MountMeasure, others: string[]) {
  const own = median(times['mount'] ?? [])
  const ratios: Record<string, number> = {}
  for (const name of others) {
    const base = times[name]
    if (base !== undefined) ratios[name] = Math.round((median(base) / own) * 100) / 100
  }
  const missed = Object.entries(wanted).filter(([name, ratio]) => (ratios[name] ?? ratio) < ratio)
  return { ratios, missed: missed.map(([name, ratio]) => `${ratio} x ${name}`) }
}

/** Median, least and most, in whole milliseconds. */
function figures(times: number[]): string[] {
  return times.length === 0 ? [] : [median(times), Math.min(...times), Math.max(...times)].map(toWhole)
}

function toWhole(number: number): string {
  return String(Math.round(number))
}
