import { constants } from 'node:fs'
import { attrsOf } from './codec-attrs.ts'
import { handleReply, type NameEntry, nameReply, statusReply } from './codec-replies.ts'
import type { DirHandle } from './handles.ts'
import type { HostFiles } from './host-files.ts'
import { longnameOf } from './longname.ts'
import { Fx } from './protocol.ts'
import type { Share } from './share.ts'
import { bytesOf, join, lstatIfThere } from './share-path.ts'
import { failure } from './status.ts'

/** Entries of one reply at most. Few enough for its worst size to stay below sshfs's limit of 128 KiB. */
const BATCH_ENTRIES = 160
/** Bytes of names of one reply at most: each is sent twice, once within its long form. */
const BATCH_NAME_BYTES = 24 * 1024

/** SSH_FXP_OPENDIR (draft section 6.7). A link as the last name is refused, as for OPEN. */
export async function opendir(share: Share, request: { id: number; path: string }): Promise<Buffer> {
  const place = await share.paths.place(request.path)
  const name = await share.handles.add(request, () => openFolder(share.paths.files, place, new Set()))
  share.observer?.knows(place)
  return handleReply(request.id, name)
}

/** Opens a folder, whose names in `given` it then leaves out. */
export async function openFolder(
  files: HostFiles,
  place: string,
  given: ReadonlySet<string>,
): Promise<DirHandle> {
  const stats = await files.lstat(bytesOf(place))
  if (!stats.isDirectory()) throw failure('not a folder')
  const dir = await files.opendir(bytesOf(place), BATCH_ENTRIES)
  const { dev, ino } = stats
  const started = given.size > 0
  return { kind: 'dir', dir, place, dev, ino, given, started, kept: undefined, last: Promise.resolve() }
}

/** SSH_FXP_READDIR: the next batch, with attributes, so that `ls -l` asks no more. */
export function readdir(share: Share, request: { id: number; handle: string }): Promise<Buffer> {
  return share.handles.withDir(request.handle, async (handle) => {
    // Names are looked up by path: had the client put a link in the folder's place, they would lie elsewhere.
    if (!(await share.paths.unmoved(handle.place))) throw failure('the folder has moved')
    for (;;) {
      const names = await nextNames(share.paths.files, handle)
      if (names.length === 0) return statusReply(request.id, Fx.EOF, '')
      const present = await entriesOf(share, handle.place, names)
      if (present.length === 0) continue
      share.journal.listed(request.handle, request.id, names)
      tellFolders(share, handle.place, present)
      return nameReply(request.id, present)
    }
  })
}

// The client asks no more for what it has got in a listing.
function tellFolders({ observer }: Share, place: string, entries: NameEntry[]): void {
  if (!observer) return
  for (const { name, attrs } of entries) {
    const isFolder = ((attrs.mode ?? 0) & constants.S_IFMT) === constants.S_IFDIR
    if (isFolder && name !== '.' && name !== '..') observer.knows(join(place, name))
  }
}

/** The entries of a folder with these names, as far as they are there. */
export async function entriesOf(share: Share, folder: string, names: string[]): Promise<NameEntry[]> {
  const root = await share.paths.realRoot()
  const entries = await Promise.all(names.map((name) => entryOf(share, folder, name, root)))
  return entries.filter((entry) => entry !== undefined)
}

async function nextNames(files: HostFiles, handle: DirHandle): Promise<string[]> {
  const names: string[] = []
  if (!handle.started) {
    handle.started = true
    names.push('.', '..')
  }
  let bytes = 0
  while (names.length < BATCH_ENTRIES) {
    const name = handle.kept ?? (await files.nextName(handle.dir))
    handle.kept = undefined
    if (name === undefined) break
    if (handle.given.has(name)) continue
    bytes += name.length
    if (bytes > BATCH_NAME_BYTES && names.length > 0) {
      handle.kept = name
      break
    }
    names.push(name)
  }
  return names
}

async function entryOf(
  share: Share,
  folder: string,
  name: string,
  root: string,
): Promise<NameEntry | undefined> {
  // The share's parent is none of the client's business: as in any root folder, `..` is the folder itself.
  const path = name === '..' && folder === root ? folder : join(folder, name)
  // A file may go between the reading of its name and the look at it.
  const there = await lstatIfThere(share.paths.files, bytesOf(path))
  const stats = there && share.owners.asSeen(there)
  return stats && { name, longname: longnameOf(name, stats), attrs: attrsOf(stats) }
}
