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

/** The templates that `--template` knows by a name, by name: one of the user hides tcolima's. */
export function templateFiles(home: string): { name: string; file: string }[] {
  const files = folders(home).flatMap((folder) =>
    existsSync(folder) ? readdirSync(folder).map((name) => path.join(folder, name)) : [],
  )
  const byName = new Map<string, string>()
  for (const file of files.filter((each) => each.endsWith('.yaml'))) {
    const name = path.basename(file, '.yaml')
    if (!byName.has(name)) byName.set(name, file)
  }
  return [...byName].map(([name, file]) => ({ name, file })).sort((a, b) => (a.name < b.name ? -1 : 1))
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
  const names = templateFiles(home).map(({ name }) => name)
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
