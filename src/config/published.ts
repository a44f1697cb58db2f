import * as z from 'zod'
import { errorCodes } from '../host/errors.ts'
import { changeTimes } from './changes.ts'
import { allKeys } from './keys-at.ts'
import { type KeyReference, reference } from './reference.ts'
import { settingsSchema } from './schema.ts'

type JsonSchema = Record<string, unknown> & {
  properties?: Record<string, JsonSchema>
  items?: JsonSchema
  anyOf?: JsonSchema[]
}

// Any computer: the limits of one are no part of what is published.
const anyHost = { home: '/', cwd: '/', arch: 'x86_64', cpus: 1, totalMemory: 2 ** 50 } as const

/** The JSON Schema of tcolima.yaml as text: zod's, with what the reference says of each key. Pure. */
export function jsonSchemaText(): string {
  const { $schema, ...schema } = z.toJSONSchema(settingsSchema(anyHost), {
    io: 'input',
    target: 'draft-7',
    unrepresentable: 'any',
  }) as JsonSchema
  describe(schema, '')
  const whole = { $schema, title: 'tcolima.yaml', description: 'Settings of a tcolima machine.', ...schema }
  return `${JSON.stringify(whole, undefined, 2)}\n`
}

/** The documentation of every key, in Markdown. Pure. */
export function referenceText(): string {
  const rows = allKeys(settingsSchema(anyHost)).map((key) => {
    const { text, flag = '', setting, default: usual } = reference[key] ?? { text: '' }
    const time = setting === undefined ? '' : whenText[changeTimes[setting]]
    return [`\`${key}\``, code(flag), usual === undefined ? '' : `\`${JSON.stringify(usual)}\``, time, text]
  })
  return `# Reference of tcolima.yaml

<!-- Made by scripts/generate.mjs from src/config/reference.ts and changes.ts. -->

The same as a JSON Schema for editors: \`tcolima config schema\`. How settings are found and saved: configuration.md.

"Changes": **at once**, also in a running machine, by \`tcolima start\`; **at a start**, the next one; **grows**, at the next
start and only more; **never**: the machine keeps what it was made with, and \`tcolima delete\` with another start makes
it anew. What cannot change is refused before anything is touched, from flags, an edit, a restart and a changed file alike.

${tableText([['Key', 'Flag', 'Default', 'Changes', 'Meaning'], ...rows])}`
}

/** The documentation of every kind of error, in Markdown. Pure. */
export function errorsText(): string {
  const rows = Object.entries(errorCodes).map(([code, { exit, text, help }]) => [
    `\`${code}\``,
    String(exit),
    text,
    help,
  ])
  return `# Errors by code

<!-- Made by scripts/generate.mjs from src/host/errors.ts. -->

With \`--json\` an error is one line of JSON, the last one, \`{"type":"error","code":…,"message":…}\`, with
\`hint\`, the \`step\` it happened in and the end of a \`log\` where there are any. \`ssh\` and what else runs programs in the
guest pass their exit code on.

${tableText([['Code', 'Exit code', 'Meaning', 'What to do'], ...rows])}`
}

/** The keys of the schema that the reference does not have, and the other way round. Pure. */
export function undocumentedKeys(): string[] {
  const keys = allKeys(settingsSchema(anyHost))
  return [
    ...keys.filter((key) => !(key in reference)),
    ...Object.keys(reference).filter((key) => !keys.includes(key)),
  ]
}

const whenText = { live: 'at once', start: 'at a start', growth: 'grows', never: 'never' } as const

function describe(schema: JsonSchema, at: string): void {
  const alternatives = schema.anyOf ?? []
  for (const each of [schema, ...alternatives]) {
    if (each.items) describe(each.items, `${at}[]`)
    for (const [key, below] of Object.entries(each.properties ?? {})) {
      const name = at === '' ? key : `${at}.${key}`
      describe(below, name)
      const entry: KeyReference | undefined = reference[name]
      if (entry) Object.assign(below, entry.json, { description: entry.text })
      if (entry?.default !== undefined) below.default = entry.default
    }
  }
}

function code(flags: string): string {
  return flags
    .split(', ')
    .filter((flag) => flag !== '')
    .map((flag) => `\`${flag}\``)
    .join(', ')
}

function tableText(rows: string[][]): string {
  const [head = [], ...body] = rows.map((row) => row.map((cell) => cell.replaceAll('|', String.raw`\|`)))
  const line = (cells: string[]) => `| ${cells.join(' | ')} |\n`
  return line(head) + line(head.map(() => '---')) + body.map(line).join('')
}
