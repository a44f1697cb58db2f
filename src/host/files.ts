import { readFileSync } from 'node:fs'
import { mkdir, open, realpath, rename, stat, statfs, unlink } from 'node:fs/promises'
import path from 'node:path'
import { errnoOf, messageOf, TcolimaError } from './errors.ts'

/**
 * Writes a file so that a reader, a crash or a full disk sees the old content or the new, never a part. A symbolic
 * link is followed: users keep their configuration in a folder of their own. `mode` holds whatever the umask.
 * Throws `host` when there is no space or no permission.
 */
export async function writeFileAtomic(file: string, data: string | Uint8Array, mode = 0o600): Promise<void> {
  try {
    const target = await resolveLink(file)
    const dir = path.dirname(target)
    const temporary = path.join(dir, `.${path.basename(target)}.${crypto.randomUUID()}.tmp`)
    try {
      await writeAndSync(temporary, data, mode)
      await rename(temporary, target)
    } catch (error) {
      await unlink(temporary).catch(() => {})
      throw error
    }
    await syncFolder(dir)
  } catch (error) {
    throw explained(error, `cannot write ${file}`)
  }
}

/** The value in a JSON file, or undefined when there is no such file. Throws `failed` when it is not JSON. Synchronous. */
export function readJson(file: string): unknown {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined
    throw explained(error, `cannot read ${file}`)
  }
  try {
    return JSON.parse(text) as unknown
  } catch (error) {
    throw new TcolimaError('failed', `${file} is not valid JSON: ${messageOf(error)}`, { cause: error })
  }
}

/** Writes a value as JSON a person can read, the way of `writeFileAtomic`; `readJson` reads it back. */
export async function writeJson(file: string, value: unknown, mode = 0o600): Promise<void> {
  await writeFileAtomic(file, `${JSON.stringify(value, undefined, 2)}\n`, mode)
}

/** Makes a folder and those above it where missing; `mode` is for folders it makes, never for one that exists. */
export async function ensureDir(dir: string, mode = 0o700): Promise<void> {
  try {
    await mkdir(dir, { recursive: true, mode })
  } catch (error) {
    throw explained(error, `cannot create the folder ${dir}`)
  }
}

/** Bytes a user without privileges can still write where the folder is, or would be when it does not exist yet. */
export async function freeSpace(dir: string): Promise<number> {
  let existing = path.resolve(dir)
  while (existing !== path.dirname(existing) && !(await exists(existing))) existing = path.dirname(existing)
  const { bavail, bsize } = await statfs(existing)
  return bavail * bsize
}

/** Has what was written to a file survive a power cut. */
export async function syncFile(file: string): Promise<void> {
  const handle = await open(file, 'r+')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function writeAndSync(file: string, data: string | Uint8Array, mode: number): Promise<void> {
  const handle = await open(file, 'wx', mode)
  try {
    await handle.chmod(mode)
    await handle.writeFile(data)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

// Without this the rename itself can be lost in a power cut. Some file systems cannot sync a folder: not worth failing.
async function syncFolder(dir: string): Promise<void> {
  try {
    const handle = await open(dir, 'r')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  } catch {
    // See above.
  }
}

async function resolveLink(file: string): Promise<string> {
  try {
    return await realpath(file)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return path.resolve(file)
    throw error
  }
}

async function exists(file: string): Promise<boolean> {
  try {
    await stat(file)
    return true
  } catch {
    return false
  }
}

function explained(error: unknown, what: string): TcolimaError {
  const hints: Record<string, string> = {
    ENOSPC: 'Free some disk space and try again.',
    EDQUOT: 'The disk quota is used up: free some space and try again.',
    EACCES: 'Check who owns the folder and its permissions.',
    EPERM: 'Check who owns the folder and its permissions.',
    EROFS: 'The file system is read-only.',
    ENOTDIR: 'A file stands where a folder is needed.',
    EEXIST: 'A file stands where a folder is needed.',
  }
  const hint = hints[errnoOf(error) ?? '']
  const code = hint === undefined ? 'failed' : 'host'
  return new TcolimaError(code, `${what}: ${messageOf(error)}`, { hint, cause: error })
}
