import { type Document, isMap, isNode, isScalar, LineCounter, parseDocument, visit } from 'yaml'
import { TcolimaError } from '../host/errors.ts'

/** Something wrong in a file: at which character, and what. */
export interface Problem {
  offset: number
  message: string
}

/** A YAML file that could be read: a map, or nothing at all. */
export interface ConfigDocument {
  document: Document.Parsed
  /** Keys and values; {} for an empty file. */
  values: Record<string, unknown>
  /** The offset of the value at a path, of its key where `atKey`, or of the nearest thing around it that exists. */
  offsetOf: (path: readonly PropertyKey[], atKey?: boolean) => number
  /** As `offsetOf`, as `file:line:column`. */
  positionOf: (path: readonly PropertyKey[]) => string
  /** Makes the error for what is wrong in the file: one line for each, in the order of the file. */
  error: (problems: readonly Problem[]) => TcolimaError
}

/** Takes the text of a file and its name for messages. Throws `config` with file, line and column when it is not a YAML map. */
export function readDocument(text: string, file: string): ConfigDocument {
  const lines = new LineCounter()
  // Without `stringKeys` a list as a key would become text, with a warning on stderr. `merge`: Colima knows `<<` as well.
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    stringKeys: true,
    merge: true,
  })
  const error = (problems: readonly Problem[]) => problemError(file, lines, problems)
  const [fault] = [...document.errors, ...document.warnings]
  if (fault) throw error([{ offset: fault.pos[0], message: plainer(fault.code, fault.message) }])
  const [aliasFault] = aliasProblems(document)
  if (aliasFault) throw error([aliasFault])
  if (document.contents !== null && !isMap(document.contents) && !isEmptyScalar(document.contents)) {
    const offset = document.contents.range?.[0] ?? 0
    throw error([{ offset, message: 'the file must be a map of keys and values, such as "cpu: 2"' }])
  }
  return {
    document,
    values: (document.toJS() as Record<string, unknown> | null) ?? {},
    offsetOf: (path, atKey = false) => offsetOf(document, path, atKey),
    positionOf: (path) => position(file, lines, offsetOf(document, path, false)),
    error,
  }
}

function problemError(file: string, lines: LineCounter, problems: readonly Problem[]): TcolimaError {
  const sorted = problems.toSorted((a, b) => a.offset - b.offset)
  const text = sorted.map(({ offset, message }) => {
    return `${position(file, lines, offset)}: ${message}`
  })
  return new TcolimaError('config', text.join('\n'), {
    hint: 'The file was left as it is. Correct it and run the command again.',
  })
}

function position(file: string, lines: LineCounter, offset: number): string {
  const { line, col } = lines.linePos(offset)
  return `${file}:${line}:${col}`
}

/** The parser's message, in the user's words where its own do not help. */
function plainer(code: string, message: string): string {
  switch (code) {
    case 'TAB_AS_INDENT':
      return 'a tab cannot indent a line in YAML: use spaces'
    case 'DUPLICATE_KEY':
      return 'this key is there twice'
    case 'NON_STRING_KEY':
      return 'a key must be text'
    case 'MULTIPLE_DOCS':
      return 'the file must hold one YAML document only'
    default:
      return message
  }
}

/** Aliases (`*name`) without an anchor, and those within what they stand for: neither has a value. */
function aliasProblems(document: Document.Parsed): Problem[] {
  const problems: Problem[] = []
  visit(document, {
    Alias(_, alias, path) {
      const target = alias.resolve(document)
      const offset = alias.range?.[0] ?? 0
      if (!target) problems.push({ offset, message: `no anchor &${alias.source} comes before this` })
      else if (path.includes(target)) problems.push({ offset, message: `*${alias.source} stands for itself` })
    },
  })
  return problems
}

function isEmptyScalar(node: unknown): boolean {
  return isScalar(node) && node.value === null
}

function offsetOf(document: Document.Parsed, path: readonly PropertyKey[], atKey: boolean): number {
  for (let length = path.length; length > 0; length--) {
    const parent = document.getIn(path.slice(0, length - 1), true)
    const name = path[length - 1]
    const key = isMap(parent)
      ? parent.items.find((item) => isScalar(item.key) && item.key.value === name)?.key
      : undefined
    const value = document.getIn(path.slice(0, length), true)
    // Something missing in a map is told at the map's own key, not at its first entry.
    const node = isNode(key) && (atKey || length < path.length) ? key : value
    if (isNode(node) && node.range) return node.range[0]
  }
  return 0
}
