import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import type { Layer, Templates } from '../config/load.ts'
import { nearest } from '../config/nearest.ts'
import { absolutePath } from '../config/paths.ts'
import { installationFolder } from '../host/assets.ts'
import { messageOf, TcolimaError } from '../host/errors.ts'
import { homePaths } from '../instance/paths.ts'
import { type CommandContext, textOf } from './command.ts'
import { workingFolder } from './flags.ts'

/** The file of the settings that all profiles begin with. */
export function usualTemplate(home: string): string {
  return path.join(homePaths(home).templates, 'default.yaml')
}

/**
 * The templates below the profile's file: the user's usual one, and what `--template` names: a file, a template of the
 * user, or one that came with tcolima. `--template=false`, as in Colima, leaves the usual one out. Throws `usage` for one
 * that there is not, `config` for one that cannot be read.
 */
export function templatesFor(context: CommandContext): Templates {
  const wanted = textOf(context, 'template') ?? 'true'
  if (wanted === 'false') return {}
  const usual = existsSync(usualTemplate(context.home)) ? read(usualTemplate(context.home)) : undefined
  if (wanted === 'true') return { usual }
  return { usual, named: read(fileOf(wanted, context)) }
}

/** The names that `--template` knows, of the user and of tcolima. */
export function templateNames(home: string): string[] {
  const names = folders(home).flatMap((folder) =>
    existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.yaml')) : [],
  )
  return [...new Set(names.map((name) => path.basename(name, '.yaml')))].sort()
}

function folders(home: string): string[] {
  return [homePaths(home).templates, path.join(installationFolder(), 'templates')]
}

function fileOf(wanted: string, { home, host }: CommandContext): string {
  if (/[/]|\.ya?ml$/.test(wanted)) {
    const cwd = workingFolder()
    const file =
      absolutePath(wanted, host.home) ?? (cwd === undefined ? undefined : path.resolve(cwd, wanted))
    if (file !== undefined && existsSync(file)) return file
    throw new TcolimaError('usage', `--template: there is no file ${file ?? wanted}`)
  }
  const found = folders(home)
    .map((folder) => path.join(folder, `${wanted}.yaml`))
    .find((file) => existsSync(file))
  if (found !== undefined) return found
  const names = templateNames(home)
  const guess = nearest(wanted, names)
  throw new TcolimaError('usage', `there is no template ${JSON.stringify(wanted)}`, {
    hint: `${guess === undefined ? '' : `Did you mean ${guess}? `}There are: ${names.join(', ')}. A file is named by a path: ./${wanted}.yaml`,
  })
}

function read(file: string): Layer {
  try {
    return { text: readFileSync(file, 'utf8'), file }
  } catch (error) {
    throw new TcolimaError('config', `cannot read ${file}: ${messageOf(error)}`, { cause: error })
  }
}
