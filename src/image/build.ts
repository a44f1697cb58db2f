import { appendFileSync, mkdtempSync, writeFileSync } from 'node:fs'
import { mkdir, readFile, readdir, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { TcolimaError } from '../host/errors.ts'
import { ensureDir, freeSpace } from '../host/files.ts'
import { acquireLock } from '../host/lock.ts'
import { run } from '../host/run.ts'
import { lastLines } from '../host/text.ts'
import { ext4Script } from './ext4.ts'
import { mmdebstrapArguments } from './mmdebstrap.ts'
import { overlays, type Recipe, recipeDigest } from './recipe.ts'
import { findImage, type Image, imageFolder, recordImage } from './store.ts'

/** Where and how to build. */
export interface BuildOptions {
  /** `_images` of the tcolima home. */
  imagesFolder: string
  /** Our own files for the guest. */
  guestFolder: string
  /** Whether this process is root; else user namespaces stand in for it. */
  root: boolean
  signal?: AbortSignal | undefined
  /** Called with what the build does just now. */
  note: (text: string) => void
}

// Packages, the unpacked tree, the tar file and the file system at the same time.
const neededBytes = 3 * 2 ** 30

/**
 * Gives the image of a recipe: the one in the store, or a new one built with mmdebstrap and mke2fs. Only one process
 * builds an image; others wait for it. An unfinished one is never found under the image's name.
 *
 * Throws `host` without space or tools, `failed` with the last lines of the build log, `cancelled` on abort.
 */
export async function ensureImage(
  recipe: Recipe,
  options: BuildOptions,
): Promise<Image & { built: boolean }> {
  const { imagesFolder, signal } = options
  const digest = recipeDigest(recipe)
  const existing = await findImage(imagesFolder, digest)
  if (existing) return { ...existing, built: false }

  await ensureDir(imagesFolder, 0o755)
  const lock = await acquireLock(path.join(imagesFolder, `${digest}.lock`), {
    purpose: 'build of a guest image',
    waitMs: 30 * 60_000,
    signal,
  })
  try {
    // Another process may have built it while this one waited.
    const finished = await findImage(imagesFolder, digest)
    if (finished) return { ...finished, built: false }
    await removeLeftovers(imagesFolder, digest, options.root)
    await buildImage(recipe, digest, options)
    const image = await findImage(imagesFolder, digest)
    if (!image) throw new TcolimaError('failed', `the image ${digest} was built but cannot be found`)
    return { ...image, built: true }
  } finally {
    lock.release()
  }
}

async function buildImage(recipe: Recipe, digest: string, options: BuildOptions): Promise<void> {
  const { imagesFolder, guestFolder, signal, note, root } = options
  const free = await freeSpace(imagesFolder)
  if (free < neededBytes) {
    throw new TcolimaError(
      'host',
      `building the guest image needs ${Math.ceil(neededBytes / 2 ** 30)} GiB in ${imagesFolder}, and ${(free / 2 ** 30).toFixed(1)} GiB are free`,
      { hint: 'Free some space, or set TCOLIMA_HOME to a folder on a larger disk.' },
    )
  }
  const log = path.join(imagesFolder, `${digest}.log`)
  writeFileSync(log, '')
  const work = mkdtempSync(path.join(imagesFolder, `.build-${digest}-`))
  const onLine = (line: string) => {
    appendFileSync(log, `${line}\n`)
    if (line.startsWith('I: ')) note(line.slice(3))
  }
  try {
    const overlay = path.join(work, 'overlay.tar')
    const tree = path.join(work, 'root.tar')
    await run(
      'tar',
      [
        ...['--owner=0', '--group=0', '-cf', overlay],
        ...overlays(guestFolder, recipe.engine).flatMap((folder) => ['-C', folder, '.']),
      ],
      {
        signal,
      },
    )
    const customize = path.join(guestFolder, 'customize.sh')
    await run('mmdebstrap', mmdebstrapArguments(recipe, { overlay, customize, target: tree, root }), {
      signal,
      onLine,
    })
    note('making the file system')
    const [shell, ...args] = ext4Script(work, root)
    await run(shell, args, { signal, onLine, env: { PATH: `${process.env.PATH}:/usr/sbin:/sbin` } })
    const names = (await readFile(path.join(work, 'names'), 'utf8')).split('\n').filter(Boolean)
    await rm(path.join(work, 'names'))
    await rm(overlay)
    await recordImage(work, digest, names)
    await removeTree(imageFolder(imagesFolder, digest), root)
    await rename(work, imageFolder(imagesFolder, digest))
  } catch (thrown) {
    const error = TcolimaError.from(thrown)
    await removeTree(work, root)
    if (error.code !== 'cancelled') {
      error.log ??= { path: log, lines: lastLines(log, 12) }
      throw new TcolimaError(error.code, 'the guest image could not be built', {
        log: error.log,
        cause: error,
        hint:
          error.hint ??
          'The build needs a Debian mirror: check the network and the proxy settings (http_proxy), then run the same command again.',
      })
    }
    throw error
  }
}

/** Removes what builds of this image left that did not end by themselves; the caller holds the image's lock. */
async function removeLeftovers(imagesFolder: string, digest: string, root: boolean): Promise<void> {
  await mkdir(imagesFolder, { recursive: true })
  for (const name of await readdir(imagesFolder)) {
    if (name.startsWith(`.build-${digest}-`)) await removeTree(path.join(imagesFolder, name), root)
  }
}

/** Removes a folder, also where files in it belong to the users of a user namespace. */
export async function removeTree(folder: string, root: boolean): Promise<void> {
  try {
    await rm(folder, { recursive: true, force: true })
  } catch (error) {
    if (root) throw error
    await run('unshare', ['--map-auto', '--map-root-user', 'rm', '-rf', '--', folder])
  }
}
