import { accessSync, constants, existsSync, readFileSync, realpathSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { messageOf, TcolimaError } from '../host/errors.ts'
import { writeFileAtomic } from '../host/files.ts'
import { findProgram } from '../host/programs.ts'
import { shellQuote } from '../guest/quote.ts'
import type { CommandContext } from './command.ts'
import { workingFolder } from './flags.ts'
import { jsonLine } from './render/output.ts'

// By this line a file is known as one of ours.
const mark = '# Made by `tcolima nerdctl install`.'

/**
 * `tcolima nerdctl install [--path FILE] [--force]`: writes a program `nerdctl` that runs the guest's. Throws `usage` for a
 * file that is another's, `host` where it cannot be written.
 */
export async function installWrapper(context: CommandContext, words: string[]): Promise<number> {
  const { output, host, profile } = context
  const options = parsed(words)
  if (options.help) {
    output.out(`Usage: ${usage}\n\nwrites a program that runs nerdctl in the guest\n`)
    return 0
  }
  const file =
    options.path === undefined ? usualPlace(host.home) : path.resolve(workingFolder() ?? '/', options.path)
  if (existsSync(file) && !options.force && !readFileSync(file, 'utf8').includes(mark)) {
    throw new TcolimaError('usage', `${file} is there and is not of tcolima`, {
      hint: 'Use --path for another place, or --force to replace it.',
    })
  }
  try {
    await mkdir(path.dirname(file), { recursive: true })
    await writeFileAtomic(file, wrapperText(commandOf(host.env.PATH ?? ''), profile), 0o755)
  } catch (error) {
    throw new TcolimaError('host', `${file} cannot be written: ${messageOf(error)}`, {
      cause: error,
      hint: 'Use --path for another place, such as ~/bin/nerdctl.',
    })
  }
  if (output.json) jsonLine(output, { type: 'done', time: new Date().toISOString(), path: file })
  else output.err(`${file} runs nerdctl in the guest\n`)
  return 0
}

/** The program's text; `tcolima` are the words of the command line that run it. Pure. */
export function wrapperText(tcolima: readonly string[], profile: string): string {
  return `#!/bin/sh\n${mark}\nexec ${tcolima.map(shellQuote).join(' ')} nerdctl -p ${shellQuote(profile)} -- "$@"\n`
}

const usage = 'tcolima nerdctl install [--path FILE] [--force]'

function parsed(words: string[]): { path?: string; force?: boolean; help?: boolean } {
  try {
    const { values } = parseArgs({
      args: words,
      options: {
        path: { type: 'string' },
        force: { type: 'boolean', short: 'f' },
        help: { type: 'boolean', short: 'h' },
      },
    })
    return values
  } catch (error) {
    throw new TcolimaError('usage', `nerdctl install: ${messageOf(error)}`, {
      hint: usage,
    })
  }
}

/** Colima's place where this user may write there, else the user's own. */
function usualPlace(home: string): string {
  const folder = '/usr/local/bin'
  try {
    accessSync(folder, constants.W_OK)
    return path.join(folder, 'nerdctl')
  } catch {
    return path.join(home, '.local/bin/nerdctl')
  }
}

/** By its name where the shell finds it: it may be another version's by then. */
function commandOf(searchPath: string): string[] {
  if (findProgram('tcolima', searchPath) !== undefined) return ['tcolima']
  return [process.execPath, realpathSync(process.argv[1] ?? '')]
}
