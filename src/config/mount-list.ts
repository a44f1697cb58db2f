import { isMap, isNode, isSeq, parseDocument, stringify } from 'yaml'
import { TcolimaError } from '../host/errors.ts'
import { readDocument } from './document.ts'
import { asEntry, clashingMount, type MountEntry, type MountSpec, resolveMount } from './mounts.ts'
import { applyChanges, holds } from './save.ts'
import { leafEnd } from './splice.ts'

/**
 * Takes the text of a file, a mount, the home folder and the file's name; gives the text with the mount at the end of the
 * list `mounts`. No list, or an empty one, means the home folder (as everywhere): that is then written out before it.
 * All else stays as it is, comments among the list too. Throws `config` for a wrong file, or a place that is taken.
 */
export function withMount(text: string, mount: MountSpec, home: string, file: string): string {
  const { values } = readDocument(text, file)
  const listed = entriesOf(values)
  const entry = asEntry(mount)
  const wanted = [...(listed ?? [{ location: home, writable: true }]), entry]
  const settled = wanted.flatMap((each) => specOf(each, home))
  if (clashingMount(settled) >= 0) {
    throw new TcolimaError('config', `${file}: ${mount.mountPoint} is the place of a mount already`)
  }
  const spliced = listed?.length ? appended(text, entry) : undefined
  if (spliced !== undefined && holds(spliced, { ...values, mounts: wanted })) return spliced
  return applyChanges(text, { mounts: wanted }, file)
}

/**
 * Takes the mount at a place in the guest out of the list, as `withMount` puts one in. The last one leaves `null`, which
 * mounts nothing. Gives undefined when the file mounts nothing there.
 */
export function withoutMount(
  text: string,
  mountPoint: string,
  home: string,
  file: string,
): string | undefined {
  const { values } = readDocument(text, file)
  const listed = entriesOf(values) ?? [{ location: home, writable: true }]
  const at = listed.findIndex((each) => specOf(each, home).some((spec) => spec.mountPoint === mountPoint))
  if (at < 0) return undefined
  const wanted = listed.toSpliced(at, 1)
  if (wanted.length === 0) return applyChanges(text, { mounts: null }, file)
  const spliced = cut(text, at)
  if (spliced !== undefined && holds(spliced, { ...values, mounts: wanted })) return spliced
  return applyChanges(text, { mounts: wanted }, file)
}

/** The mounts of the file; undefined where it leaves them to the default, and none where it says null. */
function entriesOf(values: Record<string, unknown>): MountEntry[] | undefined {
  const { mounts } = values
  if (mounts === null) return []
  return Array.isArray(mounts) && mounts.length > 0 ? (mounts as MountEntry[]) : undefined
}

function specOf(entry: MountEntry, home: string): MountSpec[] {
  const spec = resolveMount(entry, home)
  return spec.ok ? [spec.value] : []
}

/** The text with an entry behind the last of the list, in lines like its own; undefined for a list that has none. */
function appended(text: string, entry: MountEntry): string | undefined {
  const items = itemSpans(text)
  const last = items?.at(-1)
  if (!items || !last) return undefined
  const newline = text.includes('\r\n') ? '\r\n' : '\n'
  const lines = stringify([entry], { lineWidth: 0 }).trimEnd().split('\n')
  const block = lines.map((line) => `${last.indent}${line}${newline}`).join('')
  const before = text.slice(0, last.to)
  return before + (before.endsWith('\n') ? '' : newline) + block + text.slice(last.to)
}

/** The text without the lines of one entry. */
function cut(text: string, at: number): string | undefined {
  const item = itemSpans(text)?.[at]
  return item && text.slice(0, item.from) + text.slice(item.to)
}

/** The lines of each entry of a list in block style: from where, to where, and what stands before its dash. */
function itemSpans(text: string): { from: number; to: number; indent: string }[] | undefined {
  const { contents } = parseDocument(text)
  const list = isMap(contents) ? contents.get('mounts', true) : undefined
  if (!isSeq(list) || list.flow) return undefined
  const spans = list.items.flatMap((item) => {
    if (!isNode(item) || !item.range) return []
    const from = text.lastIndexOf('\n', item.range[0] - 1) + 1
    const newline = text.indexOf('\n', leafEnd(item, item.range[0]))
    const indent = /^( *)- /.exec(text.slice(from))?.[1]
    return indent === undefined ? [] : [{ from, to: newline < 0 ? text.length : newline + 1, indent }]
  })
  return spans.length === list.items.length ? spans : undefined
}
