import path from 'node:path'
import { promises as fs } from 'node:fs'
import { TcolimaError } from '../host/errors.ts'
import { isWithin, linkTarget, placesOn } from './links.ts'
import { bytesOf } from './share-path.ts'

/**
 * The real path of a mount's folder, for `serveSftp`. Takes its location, and the locations of the guest's writable
 * mounts. Throws for a location that lies in one of them behind a link: the guest may have made that link, from a
 * folder that was there, to be given another folder of the host when its mount is served anew. No session of the guest
 * may change names meanwhile.
 */
export async function shareRoot(location: string, writable: readonly string[]): Promise<string> {
  const inGuestsHands = (await Promise.allSettled(writable.map((folder) => fs.realpath(folder)))).flatMap(
    (found) => (found.status === 'fulfilled' ? [found.value] : []),
  )
  for await (const place of placesOn(Buffer.from(location).toString('latin1'))) {
    if ((await linkTarget(place)) === undefined) continue
    const link = bytesOf(place).toString()
    const folder = await fs.realpath(path.dirname(link))
    if (!inGuestsHands.some((root) => isWithin(folder, root))) continue
    throw new TcolimaError('config', `${location} is not shared: the link ${link} lies in a writable mount`, {
      hint: 'The guest could lead it anywhere. Give the folder that the link leads to as the location.',
    })
  }
  return fs.realpath(location)
}
