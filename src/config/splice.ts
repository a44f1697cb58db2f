import {
  isAlias,
  isCollection,
  isMap,
  isNode,
  isScalar,
  type Node,
  type Pair,
  parseDocument,
  stringify,
  visit,
} from 'yaml'

/**
 * Takes the text of a YAML map; gives it with one key set, a top-level one or one of a map below it (`[outer, inner]`), and
 * not a character changed but those of its value. For layouts it does not understand the outcome may be wrong: the
 * caller reads it back and looks.
 */
export function spliceKey(text: string, [outer, inner]: readonly [string, string?], value: unknown): string {
  const { contents } = parseDocument(text)
  const pair = pairOf(contents, outer)
  const newline = text.includes('\r\n') ? '\r\n' : '\n'
  if (inner !== undefined) return pair ? spliceInner(text, pair.value, inner, value, newline) : text
  const rendered = render(outer, value, newline)
  if (!pair) return withFinalNewline(text, newline) + outer + valueText(rendered, newline) + newline
  return replaceValue(text, pair, rendered, newline)
}

/** Sets a key of a map in block style that has others. */
function spliceInner(text: string, map: unknown, key: string, value: unknown, newline: string): string {
  const last = isMap(map) && !map.flow ? map.items.at(-1) : undefined
  if (!isMap(map) || !last || !isNode(last.key) || !last.key.range) return text
  const [from] = last.key.range
  const indent = text.slice(lineStart(text, from), from)
  const rendered = render(key, value, newline, indent)
  const pair = pairOf(map, key)
  if (pair) return replaceValue(text, pair, rendered, newline)
  const end = lineEnd(text, leafEnd(map, last.key.range[1]))
  return text.slice(0, end) + newline + indent + key + valueText(rendered, newline) + text.slice(end)
}

function pairOf(map: unknown, key: string): Pair | undefined {
  return isMap(map) ? map.items.find((item) => isScalar(item.key) && item.key.value === key) : undefined
}

/** A value as it stands after `key:`, either on that line or in lines of its own below it. */
interface Rendered {
  inline: string
  /** With indentation, without the newline at the end; '' when the value stands on the line of the key. */
  block: string
}

function render(key: string, value: unknown, newline: string, indent = ''): Rendered {
  // Rendered together with its key: what needs quotes depends on the place.
  const lines = stringify({ [key]: value }, { lineWidth: 0 })
    .trimEnd()
    .split('\n')
  const [first = '', ...rest] = lines
  return {
    inline: first.slice(first.indexOf(':') + 1).trim(),
    block: rest.map((line) => indent + line).join(newline),
  }
}

function valueText({ inline, block }: Rendered, newline: string): string {
  return `:${inline && ` ${inline}`}${block && newline + block}`
}

function replaceValue(text: string, pair: Pair, { inline, block }: Rendered, newline: string): string {
  const colonAt = text.indexOf(':', isNode(pair.key) ? pair.key.range?.[1] : 0)
  const old = span(text, pair.value)
  const oldIsBlock = old !== undefined && text.slice(colonAt, old.from).includes('\n')
  const keyLine = { from: colonAt + 1, to: oldIsBlock || !old ? colonAt + 1 : old.to }
  const keyLineEnd = lineEnd(text, keyLine.to)
  const rest = text.slice(keyLine.to, keyLineEnd)
  const gap = oldIsBlock || !old ? ' ' : text.slice(keyLine.from, old.from) || ' '
  const head = text.slice(0, keyLine.from) + (inline === '' ? rest.trimEnd() && rest : gap + inline + rest)
  if (!oldIsBlock) return head + (block && newline + block) + text.slice(keyLineEnd)
  const blockFrom = lineStart(text, old.from)
  const between = text.slice(keyLineEnd, blockFrom)
  const after = text.slice(old.to)
  // Without new lines the newline before the old ones goes too.
  return head + (block === '' ? between.replace(/\r?\n$/, '') : between + block) + after
}

/** From where to where the content of a value reaches, without what follows it; undefined for a value that is not there. */
function span(text: string, value: unknown): { from: number; to: number } | undefined {
  if (!isNode(value) || !value.range) return undefined
  const from = value.range[0]
  const to = leafEnd(value, isCollection(value) && !value.flow ? from : value.range[1])
  const content = text.slice(from, to).trimEnd()
  return content === '' ? undefined : { from, to: from + content.length }
}

/**
 * Where the last leaf of a node ends, `least` where it has none: the parser counts comments and blank lines that follow a
 * block as part of it.
 */
export function leafEnd(value: Node, least: number): number {
  let end = least
  visit(value, (_, node) => {
    const isLeaf = isScalar(node) || isAlias(node) || (isCollection(node) && node.flow)
    if (isLeaf && node.range) end = Math.max(end, node.range[1])
  })
  return end
}

function lineStart(text: string, offset: number): number {
  return text.lastIndexOf('\n', offset - 1) + 1
}

function lineEnd(text: string, offset: number): number {
  const end = text.indexOf('\n', offset)
  if (end < 0) return text.length
  return text[end - 1] === '\r' ? end - 1 : end
}

function withFinalNewline(text: string, newline: string): string {
  return text === '' || text.endsWith('\n') ? text : text + newline
}
