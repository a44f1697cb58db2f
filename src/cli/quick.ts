import { homedir } from 'node:os'
import { tcolimaHome } from '../config/home.ts'
import { TcolimaError } from '../host/errors.ts'
import { run as list } from './commands/list.ts'
import { run as version } from './commands/version.ts'
import { processOutput, renderError } from './render/output.ts'
import { readWrittenHelp } from './written-help.ts'

/**
 * Runs a command line that is nothing but `list` or `version`, and perhaps `--json` or `-j`, or asks for the help of the
 * whole program; gives undefined for any other. The parser and the loading of modules cost more than all that these do.
 */
export function quick(words: string[]): Promise<number> | undefined {
  const [name = '', flag, ...more] = words
  if (more.length > 0 || (flag !== undefined && !['-j', '--json'].includes(flag))) return undefined
  const help =
    flag === undefined && ['', '-h', '--help', 'help'].includes(name) ? writtenFor(process.stdout) : undefined
  const output = processOutput({ json: flag !== undefined, noColour: false, verbose: false }, process.env)
  const run = async (work: () => Promise<number>) => {
    // A reader that went away (`| head`) is no error of ours.
    process.stdout.on('error', () => process.exit(141))
    try {
      return await work()
    } catch (error) {
      return renderError(output, TcolimaError.from(error))
    }
  }
  if (help !== undefined) {
    return run(async () => {
      output.out(help)
      return 0
    })
  }
  switch (name) {
    case 'list':
    case 'ls':
      return run(async () => list({ home: tcolimaHome(process.env, homedir()), output }))
    case 'version':
      return run(async () => version({ output }))
    default:
      return undefined
  }
}

function writtenFor({ isTTY, columns }: NodeJS.WriteStream): string | undefined {
  return readWrittenHelp(isTTY ? columns : undefined)
}
