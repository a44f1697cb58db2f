import { constants, promises as fs } from 'node:fs'
import { closeFd } from './fd.ts'
import type { OpenHandle } from './handles.ts'
import type { HandleRecord } from './journal-state.ts'
import { openFolder } from './ops-dirs.ts'
import { openRegular } from './ops-files.ts'
import type { Share } from './share.ts'
import { bytesOf } from './share-path.ts'
import { failure } from './status.ts'

/**
 * Opens the handles of an earlier server again, under the rules of OPEN, where the same file or folder is still there;
 * gives how many could not be. No name may change meanwhile.
 */
export async function reopenAll(share: Share): Promise<number> {
  let lost = 0
  for (const [name, record] of share.journal.state.handles) {
    if (share.handles.has(name)) continue
    try {
      share.handles.restore(name, await reopen(share, name, record))
    } catch {
      share.journal.closed(name)
      lost++
    }
  }
  return lost
}

async function reopen(share: Share, name: string, record: HandleRecord): Promise<OpenHandle> {
  let thrown: unknown = failure('no place')
  for (const place of record.places) {
    try {
      return await reopenAt(share, name, record, place)
    } catch (error) {
      thrown = error
    }
  }
  throw thrown
}

async function reopenAt(
  share: Share,
  name: string,
  record: HandleRecord,
  place: string,
): Promise<OpenHandle> {
  const root = await share.paths.realRoot()
  const path = root === '/' ? place : place.slice(root.length)
  // As the client would reach it: a link on the way, or a share that lies elsewhere now, makes it another file.
  if ((await share.paths.place(path)) !== place) throw failure('the path has changed')
  const stats = await fs.lstat(bytesOf(place))
  if (stats.dev !== record.dev || stats.ino !== record.ino) throw failure('another file')
  if (record.kind === 'dir') {
    const given = [...(share.journal.state.lists.get(name)?.values() ?? [])].flat()
    return openFolder(share.paths.files, place, new Set(given))
  }
  const flags = record.flags & ~(constants.O_CREAT | constants.O_EXCL | constants.O_TRUNC)
  const file = await openRegular(place, flags)
  if (file.dev === record.dev && file.ino === record.ino) return file
  await closeFd(file.fd)
  throw failure('another file')
}
