import { promises as fs } from 'node:fs'
import { errnoOf } from '../host/errors.ts'

/** Places on one path at most: a path has no more names, but links could lengthen it. */
const MAX_PLACES = 4096
/** Links on one path at most, as on Linux: past them the system gives up, wherever they lead. */
const MAX_LINKS = 40

/** Whether a real path is a folder's own, or below it. */
export function isWithin(place: string, folder: string): boolean {
  return folder === '/' || place === folder || place.startsWith(`${folder}/`)
}

/**
 * Whether the way along a path leaves a folder, be it only to come back. Takes byte strings; `root` is a real path and
 * `path` begins with it. Looks at nothing outside: what is there must make no difference, not even whether it is there.
 * The folders above the root are no secret, the root's own path has them.
 */
export async function leadsOut(root: string, path: string): Promise<boolean> {
  let count = 0
  try {
    for await (const place of placesOn(path)) {
      if (!isWithin(place, root) && !isWithin(root, place)) return true
      if (++count > MAX_PLACES) return true
    }
    return false
  } catch {
    return false // it ends, within the root, at something that is no folder, or not to be entered
  }
}

/** Every place on an absolute path and on the links in it, before it is looked at: the way that the system goes. */
export async function* placesOn(path: string): AsyncGenerator<string> {
  const ahead = path.split('/').toReversed()
  let at = ''
  let links = 0
  for (let name = ahead.pop(); name !== undefined; name = ahead.pop()) {
    const place = name === '..' ? at.slice(0, Math.max(at.lastIndexOf('/'), 0)) : `${at}/${name}`
    const stays = name === '' || name === '.'
    yield (stays ? at : place) || '/'
    if (stays) continue
    const target = name === '..' ? undefined : await linkTarget(place)
    if (target === undefined) at = place
    else {
      if (++links > MAX_LINKS) return
      if (target.startsWith('/')) at = ''
      ahead.push(...target.split('/').toReversed())
    }
  }
}

/** What a link leads to, as a byte string like the path taken; nothing where there is no link. */
export async function linkTarget(place: string): Promise<string | undefined> {
  try {
    const target = await fs.readlink(Buffer.from(place, 'latin1'), { encoding: 'buffer' })
    return target.toString('latin1')
  } catch (error) {
    if (errnoOf(error) === 'EINVAL') return undefined // no link
    throw error
  }
}
