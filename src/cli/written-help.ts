import { readFileSync } from 'node:fs'
import path from 'node:path'
import { installationFolder } from '../host/assets.ts'

/** The help of the whole program, written by the build: to make it takes longer than all else that `--help` does. */
export interface WrittenHelp {
  text: string
  /** The widths of terminals that get other line breaks. */
  exceptColumns: number[]
}

/** Makes it; `render` gives the help for a number of columns. Pure. */
export function writtenHelp(render: (columns: number) => string): WrittenHelp {
  // Where no terminal is, commander breaks lines for 80 columns.
  const text = render(80)
  const longest = Math.max(...text.split('\n').map((line) => line.length))
  const widths = Array.from({ length: longest + 1 }, (_, columns) => columns)
  return { text, exceptColumns: widths.filter((columns) => render(columns) !== text) }
}

/** The help as the build wrote it; undefined for a terminal that wants other line breaks, or without a build. */
export function readWrittenHelp(columns: number | undefined): string | undefined {
  const file = path.join(installationFolder(), 'dist', 'help.json')
  try {
    const { text, exceptColumns } = JSON.parse(readFileSync(file, 'utf8')) as WrittenHelp
    return columns !== undefined && exceptColumns.includes(columns) ? undefined : text
  } catch {
    return undefined
  }
}
