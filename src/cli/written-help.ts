import { readFileSync } from 'node:fs'
import path from 'node:path'
import { installationFolder } from '../host/assets.ts'

const usual = 'usual'

/**
 * The help of the whole program as the build writes it, by the names of the files: to make it takes longer than all else
 * that `--help` does. `render` gives it for a number of columns; `usual` is for all terminals but those that have a file
 * of their own. Pure.
 */
export function writtenHelp(render: (columns: number) => string): Record<string, string> {
  // Where no terminal is, commander breaks lines for 80 columns.
  const text = render(80)
  const longest = Math.max(...text.split('\n').map((line) => line.length))
  const files: Record<string, string> = { [usual]: text }
  for (let columns = 0; columns <= longest; columns++) {
    const own = render(columns)
    if (own !== text) files[columns] = own
  }
  return files
}

/** The help as the build wrote it for a terminal (undefined: there is none); undefined where nothing was built. */
export function readWrittenHelp(columns: number | undefined): string | undefined {
  const read = (name: string) => {
    try {
      return readFileSync(path.join(installationFolder(), 'dist', 'help', name), 'utf8')
    } catch {
      return undefined
    }
  }
  return (columns === undefined ? undefined : read(String(columns))) ?? read(usual)
}
