import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { rm, rmdir, symlink } from 'node:fs/promises'
import path from 'node:path'
import { ensureDir, writeFileAtomic } from '../host/files.ts'
import { acquireLock } from '../host/lock.ts'
import { quotedPath } from './config-file.ts'

// Milliseconds for another instance to finish with the user's file.
const lockWaitMs = 10_000

/** Where the user's ssh_config and what it includes lie. */
export interface UserConfigPlaces {
  /** The user's home folder. */
  userHome: string
  /** The folder of links to the ssh_config files of instances. */
  folder: string
}

/**
 * Makes `ssh NAME` find an instance: a link to its ssh_config in a folder that one Include of the user's
 * `~/.ssh/config` names. Everything else in that file stays. Throws when it cannot be written.
 */
export async function showInUserConfig(places: UserConfigPlaces, name: string, file: string): Promise<void> {
  await changed(places, async () => {
    const link = path.join(places.folder, name)
    await rm(link, { force: true })
    await symlink(file, link)
  })
}

/** Takes an instance out again; the Include goes with the last one. Throws when the file cannot be written. */
export async function hideInUserConfig(places: UserConfigPlaces, name: string): Promise<void> {
  if (!existsSync(places.folder)) return
  await changed(places, async () => await rm(path.join(places.folder, name), { force: true }))
}

/** The user's file with our line, which comes first: after a `Host` line it would be for that host alone. Pure. */
export function withInclude(text: string, line: string): string {
  return text.split(/\r?\n/).includes(line) ? text : `${line}\n${text}`
}

/** The user's file without our line. Pure. */
export function withoutInclude(text: string, line: string): string {
  return text
    .split(/(?<=\n)/)
    .filter((each) => each.trimEnd() !== line)
    .join('')
}

async function changed({ userHome, folder }: UserConfigPlaces, change: () => Promise<void>): Promise<void> {
  await ensureDir(path.dirname(folder))
  const lock = await acquireLock(`${folder}.lock`, { purpose: 'ssh_config', waitMs: lockWaitMs })
  try {
    await ensureDir(folder)
    await change()
    const isEmpty = readdirSync(folder).length === 0
    const userFile = path.join(userHome, '.ssh', 'config')
    const before = existsSync(userFile) ? readFileSync(userFile, 'utf8') : ''
    const line = `Include ${quotedPath(path.join(globbed(folder), '*'))}`
    const after = isEmpty ? withoutInclude(before, line) : withInclude(before, line)
    if (after !== before) {
      await ensureDir(path.dirname(userFile))
      const mode = statSync(userFile, { throwIfNoEntry: false })?.mode ?? 0o600
      await writeFileAtomic(userFile, after, mode & 0o777)
    }
    if (isEmpty) await rmdir(folder)
  } finally {
    lock.release()
  }
}

/** A folder as part of a pattern of glob(7). */
function globbed(folder: string): string {
  return folder.replaceAll(/[*?[\]\\]/g, String.raw`\$&`)
}
