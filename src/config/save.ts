import { mkdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { parseDocument } from 'yaml'
import { errnoOf, messageOf, TcolimaError } from '../host/errors.ts'
import { readDocument } from './document.ts'
import type { ConfigChanges } from './flags.ts'
import { spliceKey } from './splice.ts'
import { configTemplate } from './template.ts'

/** Writes a file whole or not at all, mode 0600, following a link: `writeFileAtomic` of src/host, which this layer cannot import. */
export type FileWriter = (file: string, text: string) => Promise<void>

/**
 * Sets keys in a profile's file and leaves the rest as the user wrote it. A file (and folder) that is not there is made,
 * from the template with every key explained; a file where nothing changes is not written.
 * Throws `config` when the file is not valid YAML: it is then left as it is.
 */
export async function saveConfig(file: string, changes: ConfigChanges, write: FileWriter): Promise<void> {
  const before = await readExisting(file)
  const after = applyChanges(before ?? '', changes, file)
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
  for (const [key, value] of Object.entries(changes)) {
    if (value !== undefined) current = setKey(current, key, value, file)
  }
  return current
}

function setKey(text: string, key: string, value: unknown, file: string): string {
  const { values, document } = readDocument(text, file)
  if (key in values && isDeepStrictEqual(values[key], value)) return text
  const wanted = { ...values, [key]: value }
  const spliced = spliceKey(text, key, value)
  if (holds(spliced, wanted)) return spliced
  // A layout the splice does not understand, such as the whole file as one flow map: comments stay, spacing may not.
  document.set(key, document.createNode(value))
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
