import { readFile } from 'node:fs/promises'
import { withMount, withoutMount } from '../config/mount-list.ts'
import type { MountSpec } from '../config/mounts.ts'
import { errnoOf } from '../host/errors.ts'
import { ensureDir, writeFileAtomic } from '../host/files.ts'
import type { InstancePaths } from './paths.ts'

/** Writes the user's file as it was decided; for whoever holds the instance's lock. */
export type Write = () => Promise<void>

type Paths = Pick<InstancePaths, 'config' | 'folder'>

/**
 * Puts a mount into the user's file, in two steps, so that a file that cannot take it is refused before anything else is
 * done. `home` is the user's home folder. Throws like `withMount`.
 */
export async function settingsWithMount(paths: Paths, mount: MountSpec, home: string): Promise<Write> {
  return writer(paths, withMount(await textOf(paths), mount, home, paths.config))
}

/** Takes the mount at a place in the guest out of the user's file; one that does not have it stays as it is. */
export async function settingsWithoutMount(paths: Paths, mountPoint: string, home: string): Promise<Write> {
  return writer(paths, withoutMount(await textOf(paths), mountPoint, home, paths.config))
}

function writer({ config, folder }: Paths, text: string | undefined): Write {
  return async () => {
    if (text === undefined) return
    await ensureDir(folder)
    await writeFileAtomic(config, text)
  }
}

async function textOf({ config }: Paths): Promise<string> {
  try {
    return await readFile(config, 'utf8')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return ''
    throw error
  }
}
