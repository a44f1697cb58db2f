import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { parse, stringify } from 'yaml'
import { changeTimes } from '../../config/changes.ts'
import { readDocument } from '../../config/document.ts'
import { loadConfig, parseConfig, parseLayers } from '../../config/load.ts'
import { nearest } from '../../config/nearest.ts'
import { absolutePath } from '../../config/paths.ts'
import { jsonSchemaText } from '../../config/published.ts'
import { reference } from '../../config/reference.ts'
import { applyValue } from '../../config/save.ts'
import { isRecord } from '../../config/values.ts'
import { messageOf, TcolimaError } from '../../host/errors.ts'
import { ensureDir, writeFileAtomic } from '../../host/files.ts'
import { instancePaths } from '../../instance/paths.ts'
import { refuseChanges } from '../../instance/refuse-changes.ts'
import { publishSchema } from '../../instance/schema-file.ts'
import type { CommandContext } from '../command.ts'
import { hostFacts, workingFolder } from '../flags.ts'
import { jsonLine, type Output, renderWarning } from '../render/output.ts'
import { templatesFor } from '../templates.ts'

/** `tcolima config` */
export async function run(context: CommandContext): Promise<number> {
  const [action = '', ...words] = context.rest
  switch (action) {
    case 'get':
      return get(context, words)
    case 'set':
      return await set(context, words)
    case 'validate':
      return validate(context, words)
    case 'schema':
      if (context.output.json) jsonLine(context.output, JSON.parse(jsonSchemaText()))
      else context.output.out(jsonSchemaText())
      return 0
    default:
      throw new TcolimaError(
        'usage',
        `config ${JSON.stringify(action)} is none of get, set, validate and schema`,
      )
  }
}

function get(context: CommandContext, [key, ...more]: string[]): number {
  refuseMore('get [KEY]', more)
  const { output } = context
  const values = settingsInUse(context)
  const value = key === undefined ? values : valueAt(values, key)
  if (output.json) jsonLine(output, value ?? null)
  else output.out(typeof value === 'string' ? `${value}\n` : stringify(value ?? null))
  return 0
}

async function set(context: CommandContext, [key, text, ...more]: string[]): Promise<number> {
  if (key === undefined || text === undefined) throw new TcolimaError('usage', 'config takes: set KEY VALUE')
  refuseMore('set KEY VALUE', more)
  const { home, profile, host, output } = context
  const paths = instancePaths(home, profile)
  const before = existsSync(paths.config) ? readFileSync(paths.config, 'utf8') : ''
  const after = applyValue(before, key, valueOf(text), paths.config)
  const { usual } = templatesFor(context)
  const { config, warnings } = parseLayers([usual, { text: after, file: paths.config }], {}, hostFacts(host))
  refuseChanges(paths, config)
  for (const warning of warnings) renderWarning(output, warning)
  if (after !== before) {
    await ensureDir(home)
    await ensureDir(paths.folder)
    await publishSchema(home)
    await writeFileAtomic(paths.config, after)
  }
  const setting = reference[key.split('.')[0] ?? '']?.setting
  const live = setting !== undefined && changeTimes[setting] === 'live'
  if (output.json) {
    jsonLine(output, { type: 'done', time: new Date().toISOString(), file: paths.config, key, live })
    return 0
  }
  output.err(
    `${key} is set; it holds from the next ${live ? 'tcolima start, also of a running machine,' : 'start'} on\n`,
  )
  return 0
}

function validate(context: CommandContext, [name, ...more]: string[]): number {
  refuseMore('validate [FILE]', more)
  const { home, profile, host, output } = context
  const paths = instancePaths(home, profile)
  if (name === undefined) {
    const { config, warnings } = loadConfig(paths.config, {}, hostFacts(host), templatesFor(context))
    refuseChanges(paths, config)
    return valid(output, paths.config, warnings)
  }
  const file = absolutePath(name, host.home) ?? path.resolve(workingFolder() ?? '/', name)
  return valid(output, file, parseConfig(textOf(file), file, {}, hostFacts(host)).warnings)
}

function valid(output: Output, file: string, warnings: string[]): number {
  for (const warning of warnings) renderWarning(output, warning)
  if (output.json) jsonLine(output, { file, valid: true, warnings })
  else output.out(`${file} is valid\n`)
  return 0
}

/** The settings as a file would have them, from the nearest that says it: file, template, default. Throws `config`. */
function settingsInUse(context: CommandContext): Record<string, unknown> {
  const { home, profile, host } = context
  const { config: file } = instancePaths(home, profile)
  const { usual } = templatesFor(context)
  loadConfig(file, {}, hostFacts(host), { usual })
  const defaults = Object.entries(reference).flatMap(([key, { default: value }]) =>
    value === undefined || /[.[]/.test(key) ? [] : [[key, value]],
  )
  const read = (text: string, name: string) => readDocument(text, name).values
  const template = usual ? read(usual.text, usual.file) : {}
  const own = existsSync(file) ? read(readFileSync(file, 'utf8'), file) : {}
  const layers: Record<string, unknown>[] = [Object.fromEntries(defaults), template, own]
  // Of these each part counts by itself.
  const groups = ['network', 'kubernetes'].map((group) => {
    const parts = Object.entries(reference).flatMap(([key, { default: value }]) =>
      value !== undefined && key.startsWith(`${group}.`) ? [[key.slice(group.length + 1), value]] : [],
    )
    return [group, Object.assign(Object.fromEntries(parts), ...layers.map((layer) => layer[group]))] as const
  })
  return { ...(Object.assign({}, ...layers) as Record<string, unknown>), ...Object.fromEntries(groups) }
}

function valueAt(values: Record<string, unknown>, key: string): unknown {
  let value: unknown = values
  for (const part of key.split('.')) {
    const entries = Array.isArray(value) || isRecord(value) ? Object.entries(value) : []
    const map: Record<string, unknown> = Object.fromEntries(entries)
    if (!Object.hasOwn(map, part) && !(key in reference)) {
      const guess = nearest(part, Object.keys(map))
      throw new TcolimaError('usage', `there is no setting ${JSON.stringify(key)}`, {
        hint: guess === undefined ? 'See `tcolima config get`.' : `Did you mean ${JSON.stringify(guess)}?`,
      })
    }
    value = map[part]
  }
  return value
}

/** The value of a word, read as YAML: `4`, `true`, `[a, b]`, else text. */
function valueOf(text: string): unknown {
  try {
    return parse(text) as unknown
  } catch (error) {
    throw new TcolimaError('usage', `${JSON.stringify(text)} is no value: ${messageOf(error)}`)
  }
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new TcolimaError('config', `cannot read ${file}: ${messageOf(error)}`, { cause: error })
  }
}

function refuseMore(form: string, more: string[]): void {
  if (more.length > 0)
    throw new TcolimaError('usage', `config takes: ${form}, and not ${JSON.stringify(more[0])} behind it`)
}
