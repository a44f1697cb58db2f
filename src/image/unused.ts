import { existsSync } from 'node:fs'
import { lstat, readdir, rename } from 'node:fs/promises'
import path from 'node:path'
import { acquireLock, readLock } from '../host/lock.ts'
import { removeTree } from './build.ts'

/** Something in the folder of images: an image, or what a build left. */
export interface StoredImage {
  name: string
  /** Whether it is whole: an image, and no leftover. */
  whole: boolean
  /** Bytes it takes on the disk. */
  bytes: number
}

const digestPattern = /^[0-9a-f]{16}$/

/** What lies in the folder of images, by name; nothing where there is no folder. */
export async function storedImages(imagesFolder: string): Promise<StoredImage[]> {
  const names = await readdir(imagesFolder).catch(() => [])
  const found = names
    .filter((name) => digestPattern.test(name) || name.startsWith('.build-') || name.startsWith('.gone-'))
    .sort()
  return await Promise.all(
    found.map(async (name) => ({
      name,
      whole: digestPattern.test(name) && existsSync(path.join(imagesFolder, name, 'image.json')),
      bytes: await diskUse(path.join(imagesFolder, name)),
    })),
  )
}

/** Removes one of them, unless it is being built; gives whether it did. `root`: whether this process is. Throws `failed`. */
export async function removeStored(imagesFolder: string, name: string, root: boolean): Promise<boolean> {
  const digest = /^(?:\.(?:build|gone)-)?(?<digest>[0-9a-f]{16})/.exec(name)?.groups?.digest ?? name
  const lockFile = path.join(imagesFolder, `${digest}.lock`)
  if (readLock(lockFile)) return false
  const lock = await acquireLock(lockFile, { purpose: 'removal of a guest image' })
  try {
    const folder = path.join(imagesFolder, name)
    // Gone in one step: a removal that is interrupted leaves no image that looks whole.
    const aside = digestPattern.test(name)
      ? path.join(imagesFolder, `.gone-${name}-${crypto.randomUUID()}`)
      : folder
    if (aside !== folder) await rename(folder, aside)
    await removeTree(aside, root)
    return true
  } finally {
    lock.release()
  }
}

/** Bytes on the disk below a path: sparse files count what they hold. */
export async function diskUse(file: string): Promise<number> {
  const info = await lstat(file).catch(() => undefined)
  if (!info) return 0
  if (!info.isDirectory()) return info.blocks * 512
  const names = await readdir(file).catch(() => [])
  const sizes = await Promise.all(names.map((name) => diskUse(path.join(file, name))))
  return sizes.reduce((sum, size) => sum + size, 0)
}
