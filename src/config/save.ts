import { mkdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { parseDocument } from 'yaml'
import { errnoOf, messageOf, TcolimaError } from '../host/errors.ts'
import { readDocument } from './document.ts'
import type { ConfigChanges } from './flags.ts'
import { spliceKey } from './splice.ts'
import { configTemplate } from './template.ts'
import { isRecord } from './values.ts'

/** Writes a file whole or not at all, mode 0600, following a link: `writeFileAtomic` of src/host, which this layer cannot import. */
export type FileWriter = (file: string, text: string) => Promise<void>

/**
 * Sets keys in a profile's file and leaves the rest as the user wrote it. A file (and folder) that is not there is made,
 * from `newText` where given, else from the text with every key explained; a file where nothing changes is not written.
 * Throws `config` when the file is not valid YAML: it is then left as it is.
 */
export async function saveConfig(
  file: string,
  changes: ConfigChanges,
  write: FileWriter,
  newText?: string,
): Promise<void> {
  const before = await readExisting(file)
  const isNew = before === undefined || before.trim() === ''
  const after = applyChanges(isNew ? (newText ?? '') : before, changes, file)
  if (after === before) return
  await mkdir(path.dirname(file), { recursive: true, mode: 0o700 })
  await write(file, after)
}

/**
 * Takes the text of a file, the keys to set, and the file's name for messages; gives the new text: comments, order,
 * spacing and quotes of all that does not change stay. A key that has the value already is left alone, whatever its form.
 * Empty text becomes the template. Throws `config` when the text is not valid YAML.
 */
export function applyChanges(text: string, changes: ConfigChanges, file = 'tcolima.yaml'): string {
  let current = text.trim() === '' ? configTemplate() : text
  const { network = {}, kubernetes = {}, ...whole } = changes
  for (const [key, parts] of Object.entries({ network, kubernetes })) {
    for (const [part, value] of Object.entries(parts)) current = setKey(current, [key, part], value, file)
  }
  return applyValues(current, whole, file)
}

/** As `applyChanges`, for one key, named with dots: `network.dns`. Throws `config` where it cannot be set. */
export function applyValue(text: string, key: string, value: unknown, file: string): string {
  const [outer = '', inner, ...deeper] = key.split('.')
  const current = text.trim() === '' ? configTemplate() : text
  if (deeper.length === 0) return setKey(current, inner === undefined ? [outer] : [outer, inner], value, file)
  const before = readDocument(current, file).values[outer]
  return setKey(current, [outer], withValue(before, [inner ?? '', ...deeper], value), file)
}

/** A map with the value at a path within it; what is no map on the way becomes one. */
function withValue(before: unknown, [key = '', ...rest]: string[], value: unknown): Record<string, unknown> {
  const map = isRecord(before) ? before : {}
  return { ...map, [key]: rest.length === 0 ? value : withValue(map[key], rest, value) }
}

/** As `applyChanges`, with whole values for keys of any kind. */
export function applyValues(text: string, values: Record<string, unknown>, file: string): string {
  let current = text
  for (const [key, value] of Object.entries(values)) {
    if (value !== undefined) current = setKey(current, [key], value, file)
  }
  return current
}

/** `place` is the key, or the key of a map and one within it. */
function setKey(text: string, place: readonly [string, string?], value: unknown, file: string): string {
  const [outer, inner] = place
  const { values, document } = readDocument(text, file)
  const before = values[outer]
  if (inner !== undefined && !(isRecord(before) && Object.keys(before).length > 0)) {
    return setKey(text, [outer], { [inner]: value }, file)
  }
  const whole = inner === undefined ? value : { ...(before as object), [inner]: value }
  if (outer in values && isDeepStrictEqual(before, whole)) return text
  const wanted = { ...values, [outer]: whole }
  const spliced = spliceKey(text, place, value)
  if (holds(spliced, wanted)) return spliced
  const key = inner === undefined ? outer : `${outer}.${inner}`
  // A layout the splice does not understand, such as the whole file as one flow map: comments stay, spacing may not.
  if (inner === undefined) document.set(outer, document.createNode(value))
  else attempt(() => document.setIn([outer, inner], document.createNode(value)))
  const written = attempt(() => document.toString({ lineWidth: 0 }))
  if (written !== undefined && holds(written, wanted)) return written
  throw new TcolimaError('config', `cannot set ${key} in ${file} as it is written`, {
    hint: `Change ${key} in the file by hand: another value refers to it, or stands in its place.`,
  })
}

/** Whether a text is valid YAML with just these values. */
export function holds(text: string, wanted: Record<string, unknown>): boolean {
  const document = parseDocument(text, { merge: true })
  return (
    document.errors.length === 0 &&
    isDeepStrictEqual(
      attempt<unknown>(() => document.toJS()),
      wanted,
    )
  )
}

/** What a function gives, or undefined where it throws: the yaml package does for an alias without its anchor. */
function attempt<T>(run: () => T): T | undefined {
  try {
    return run()
  } catch {
    return undefined
  }
}

async function readExisting(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw new TcolimaError('config', `cannot read ${file}: ${messageOf(error)}`, { cause: error })
  }
}
