import { isDeepStrictEqual } from 'node:util'
import { isMap, isNode, isSeq, parseDocument, stringify, type YAMLSeq } from 'yaml'
import { holds } from '../../config/save.ts'
import { leafEnd, spliceKey } from '../../config/splice.ts'
import { TcolimaError } from '../../host/errors.ts'

/** An entry of a list of a kubeconfig file. */
export interface Named {
  name: string
  [key: string]: unknown
}

/** What a change makes of a YAML map with such lists: the text and the values of the map. */
type Change = (
  text: string,
  values: Record<string, unknown>,
) => { text: string; values: Record<string, unknown> }

/** Sets the entry of a list that has the name, or adds it at the end. A list that is not there is made. */
export function setNamed(list: string, entry: Named): Change {
  return (text, values) => {
    const before = listIn(values, list)
    const at = before.findIndex((each) => isNamed(each, entry.name))
    if (at >= 0 && isDeepStrictEqual(before[at], entry)) return { text, values }
    const after = at < 0 ? [...before, entry] : before.with(at, entry)
    const wanted = { ...values, [list]: after }
    const spliced = before.length === 0 ? spliceKey(text, [list], after) : spliceEntry(text, list, at, entry)
    return verified(text, spliced, list, after, wanted)
  }
}

/** Takes the entries of a list away that have the name. */
export function removeNamed(list: string, name: string): Change {
  return (text, values) => {
    const before = listIn(values, list)
    const at = before.findIndex((each) => isNamed(each, name))
    if (at < 0) return { text, values }
    const after = before.toSpliced(at, 1)
    const wanted = { ...values, [list]: after }
    const spliced = after.length === 0 ? spliceKey(text, [list], []) : cutEntry(text, list, at)
    const changed = verified(text, spliced, list, after, wanted)
    return removeNamed(list, name)(changed.text, changed.values)
  }
}

/** Sets a key of the map itself. */
export function setKey(key: string, value: string): Change {
  return (text, values) => {
    if (values[key] === value) return { text, values }
    return verified(text, spliceKey(text, [key], value), key, value, { ...values, [key]: value })
  }
}

/** The entry of a list with a name; undefined when there is none. */
export function findNamed(values: Record<string, unknown>, list: string, name: string): Named | undefined {
  return listIn(values, list).find((each): each is Named => isNamed(each, name))
}

function isNamed(entry: unknown, name: string): boolean {
  return typeof entry === 'object' && entry !== null && 'name' in entry && entry.name === name
}

function listIn(values: Record<string, unknown>, list: string): unknown[] {
  const value = values[list] ?? []
  if (Array.isArray(value)) return value
  throw new TcolimaError('config', `${list} is no list`)
}

/** The spliced text where it says what is wanted, else one that keeps comments and not all spacing. */
function verified(
  text: string,
  spliced: string,
  key: string,
  value: unknown,
  wanted: Record<string, unknown>,
): ReturnType<Change> {
  if (holds(spliced, wanted)) return { text: spliced, values: wanted }
  const document = parseDocument(text, { merge: true })
  try {
    document.set(key, document.createNode(value))
    const written = document.toString({ lineWidth: 0 })
    if (holds(written, wanted)) return { text: written, values: wanted }
  } catch {
    // An alias that lost its anchor.
  }
  throw new TcolimaError('config', `${key} cannot be changed as it is written`)
}

/** Replaces the entry at a place, or adds one where `at` is negative. */
function spliceEntry(text: string, list: string, at: number, entry: Named): string {
  const seq = seqOf(text, list)
  if (!seq) return text
  const place = at < 0 ? undefined : spanOf(text, seq, at)
  if (at >= 0 && !place) return text
  if (seq.flow) {
    const json = JSON.stringify(entry)
    if (place) return text.slice(0, place.from) + json + text.slice(place.to)
    const last = spanOf(text, seq, seq.items.length - 1)
    return last ? `${text.slice(0, last.to)}, ${json}${text.slice(last.to)}` : text
  }
  const last = place ?? spanOf(text, seq, seq.items.length - 1)
  if (!last) return text
  const newline = text.includes('\r\n') ? '\r\n' : '\n'
  const indent = text.slice(lineStart(text, last.from), last.from)
  const lines = stringify([entry], { lineWidth: 0 }).trimEnd().split('\n')
  const rendered = lines.map((line, index) => (index === 0 ? line : indent + line)).join(newline)
  if (place) return text.slice(0, place.from) + rendered + text.slice(place.to)
  return `${text.slice(0, last.to)}${newline}${indent}${rendered}${text.slice(last.to)}`
}

/** Takes the entry at a place away, which is not the only one. */
function cutEntry(text: string, list: string, at: number): string {
  const seq = seqOf(text, list)
  const place = seq && spanOf(text, seq, at)
  if (!seq || !place) return text
  if (seq.flow) {
    const next = spanOf(text, seq, at + 1)
    if (next) return text.slice(0, place.from) + text.slice(next.from)
    const before = spanOf(text, seq, at - 1)
    return before ? text.slice(0, before.to) + text.slice(place.to) : text
  }
  const from = lineStart(text, place.from)
  const end = text.indexOf('\n', place.to)
  // A comment behind the last value goes with it; with the last line of the file, the newline before it.
  return end < 0 ? text.slice(0, from) : text.slice(0, from) + text.slice(end + 1)
}

function seqOf(text: string, list: string): YAMLSeq | undefined {
  const { contents } = parseDocument(text, { merge: true, keepSourceTokens: true })
  const seq = isMap(contents) ? contents.get(list, true) : undefined
  return isSeq(seq) ? seq : undefined
}

/** From where (the dash of a block's entry) to where the content of an entry reaches; undefined for layouts that are rare. */
function spanOf(text: string, seq: YAMLSeq, at: number): { from: number; to: number } | undefined {
  const node = seq.items[at]
  if (!isNode(node) || !node.range) return undefined
  if (seq.flow) {
    const [from, to] = node.range
    return { from, to }
  }
  const token = seq.srcToken
  const start = token?.type === 'block-seq' ? token.items[at]?.start : undefined
  const dash = start?.find(({ type }) => type === 'seq-item-ind')
  if (!dash || text.slice(lineStart(text, dash.offset), dash.offset).trim() !== '') return undefined
  const end = leafEnd(node, node.range[0])
  return { from: dash.offset, to: dash.offset + text.slice(dash.offset, end).trimEnd().length }
}

function lineStart(text: string, offset: number): number {
  return text.lastIndexOf('\n', offset - 1) + 1
}
