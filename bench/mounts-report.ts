import { table } from '../src/cli/render/table.ts'
import { keepResults, median } from './report.ts'

/** Milliseconds of one measurement, by the name of what it was measured on. */
export interface MountMeasure {
  what: string
  /** How many times the baseline's time over that of the mount is wanted. */
  wanted: Record<string, number>
  times: Record<string, number[]>
}

/** Prints the medians of each file system, and how many times faster the mount is than each of the others. */
export function reportMounts(measures: MountMeasure[], mount: string, others: string[], more: object): void {
  const rows = measures.map(({ what, wanted, times }) => {
    const own = times[mount] ?? []
    const ratios = Object.fromEntries(
      others.flatMap((name) => {
        const base = times[name] ?? []
        return base.length === 0 ? [] : [[name, Math.round((median(base) / median(own)) * 100) / 100]]
      }),
    )
    const missed = Object.entries(wanted).filter(([name, ratio]) => (ratios[name] ?? ratio) < ratio)
    return { what, times, ratios, missed: missed.map(([name, ratio]) => `${ratio} x ${name}`) }
  })
  const heads = ['WHAT', `${mount.toUpperCase()} ms`, 'MIN', 'MAX']
  for (const name of others) heads.push(`${name.toUpperCase()} ms`, `RATIO`)
  heads.push('WANTED')
  const cells = rows.map(({ what, times, ratios, missed }) => {
    const own = times[mount] ?? []
    const cell = [what, median(own), Math.min(...own), Math.max(...own)].map(String)
    for (const name of others) {
      const base = times[name] ?? []
      cell.push(base.length === 0 ? '' : String(Math.round(median(base))), String(ratios[name] ?? ''))
    }
    return [...cell, missed.length === 0 ? 'yes' : `no: ${missed.join(', ')}`]
  })
  process.stdout.write(table([heads, ...cells]))
  keepResults('mounts', { rows, ...more })
}
