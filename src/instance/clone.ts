import { constants, existsSync } from 'node:fs'
import { chmod, copyFile, readdir, rename, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { TcolimaError } from '../host/errors.ts'
import { ensureDir, freeSpace, syncFile } from '../host/files.ts'
import { acquireLock } from '../host/lock.ts'
import { newHostKey, newMac } from './create.ts'
import { type InstancePaths, instancePaths } from './paths.ts'
import { readRecord, writeRecord } from './record.ts'

const unfinished = '_clone-'

/**
 * Makes a second instance with the settings and disks of one that does not run, and a network address and host key of its
 * own. It is there under its name only when it is whole. The caller holds the first one's lock. Throws `usage` where the
 * name is taken, `host` without space, `cancelled` on abort.
 */
export async function cloneInstance(
  home: string,
  source: InstancePaths,
  target: string,
  signal: AbortSignal,
): Promise<void> {
  // One at a time: what others left unfinished is nobody's then.
  const lock = await acquireLock(path.join(home, `${unfinished}lock`), { purpose: 'clone', signal })
  try {
    const { folder } = instancePaths(home, target)
    refuseTaken(folder, target)
    for (const name of await readdir(home)) {
      if (name.startsWith(unfinished) && name !== `${unfinished}lock`) {
        await rm(path.join(home, name), { recursive: true, force: true })
      }
    }
    const part = instancePaths(home, `${unfinished}${target}`)
    await ensureDir(part.folder)
    try {
      await copyFiles(source, part, signal)
      const record = readRecord(source.record)
      if (record) {
        const hostKey = await newHostKey(part, target)
        await writeRecord(part.record, {
          ...record,
          mac: newMac(),
          hostKey,
          created: new Date().toISOString(),
        })
      }
      refuseTaken(folder, target)
      await rename(part.folder, folder)
    } catch (error) {
      await rm(part.folder, { recursive: true, force: true })
      throw error
    }
  } finally {
    lock.release()
  }
}

/** Throws `usage` where an instance, or what one left, has a name already. */
export function refuseTaken(folder: string, name: string): void {
  if (!existsSync(folder)) return
  throw new TcolimaError('usage', `there is a machine ${name} already, or its data disk`, {
    hint: `Take another name, or remove it with: tcolima delete --data ${name}`,
  })
}

async function copyFiles(source: InstancePaths, part: InstancePaths, signal: AbortSignal): Promise<void> {
  const kept = (['config', 'rootDisk', 'dataDisk', 'owners'] as const).filter((name) =>
    existsSync(source[name]),
  )
  const sizes = await Promise.all(kept.map(async (name) => (await stat(source[name])).size))
  const needed = sizes.reduce((sum, size) => sum + size, 0)
  const free = await freeSpace(part.folder)
  if (free < needed) {
    const gib = (bytes: number) => (bytes / 2 ** 30).toFixed(1)
    throw new TcolimaError('host', `the clone takes ${gib(needed)} GiB, and ${gib(free)} GiB are free`, {
      hint: 'Free some space, or make it smaller first with: tcolima disk compact',
    })
  }
  for (const name of kept) {
    signal.throwIfAborted()
    // A file system that can shares the blocks until one of the two is written.
    await copyFile(source[name], part[name], constants.COPYFILE_FICLONE)
    await chmod(part[name], (await stat(source[name])).mode)
    await syncFile(part[name])
  }
}
