import { TcolimaError } from '../host/errors.ts'
import type { Host } from '../host/platform.ts'
import { type StoredImage, removeStored, storedImages } from '../image/unused.ts'
import { homePaths } from '../instance/paths.ts'
import { listInstances } from '../instance/view.ts'

/** A guest image, and the machines whose system disks lie over it. */
export interface UsedImage extends StoredImage {
  machines: string[]
}

/** All guest images of a home, and what builds of them left. */
export async function usedImages(home: string): Promise<UsedImage[]> {
  const machines = listInstances(home)
  const images = await storedImages(homePaths(home).images)
  return images.map((image) => ({
    ...image,
    machines: machines.flatMap(({ name, record }) => (record?.imageDigest === image.name ? [name] : [])),
  }))
}

/**
 * Those that nothing uses. Throws `busy` while a machine starts that does not say yet which it takes, `failed` where a
 * broken one does not say it any more.
 */
export async function unusedImages(home: string): Promise<UsedImage[]> {
  for (const { name, status, record } of listInstances(home)) {
    if (record) continue
    if (status === 'Broken') {
      throw new TcolimaError('failed', `which image ${name} uses cannot be read, so none is removed`, {
        hint: `Mend it, or remove it with: tcolima delete ${name}`,
      })
    }
    if (status === 'Starting') throw new TcolimaError('busy', `${name} is starting: try again when it runs`)
  }
  return (await usedImages(home)).filter(({ machines }) => machines.length === 0)
}

/** Removes one image; gives what it was. Throws `not-found`, `busy` where a machine uses it or it is just being built. */
export async function removeUnused(home: string, host: Host, name: string): Promise<UsedImage> {
  const image = (await usedImages(home)).find((each) => each.name === name)
  if (!image) throw new TcolimaError('not-found', `there is no image ${name}`, { hint: seeList })
  if (image.machines.length > 0) {
    throw new TcolimaError('busy', `image ${name} is used by ${image.machines.join(', ')}`)
  }
  // Whatever a machine uses that does not say it.
  await unusedImages(home)
  if ((await removeImages(home, host, [image])).length === 0) {
    throw new TcolimaError('busy', `image ${name} is just being built`)
  }
  return image
}

/** Where the names of images are. */
export const seeList = 'See `tcolima image list`.'

/** Removes images; gives those that are gone (one that is just being built stays). */
export async function removeImages(home: string, host: Host, images: UsedImage[]): Promise<UsedImage[]> {
  const gone: UsedImage[] = []
  for (const image of images) {
    if (await removeStored(homePaths(home).images, image.name, host.uid === 0)) gone.push(image)
  }
  return gone
}
