import { constants, existsSync, readdirSync } from 'node:fs'
import { chmod, copyFile, rename, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { externalName } from '../config/profile.ts'
import { TcolimaError } from '../host/errors.ts'
import { ensureDir, freeSpace, readJson, syncFile, writeJson } from '../host/files.ts'
import { acquireLock, readLock } from '../host/lock.ts'
import type { Host } from '../host/platform.ts'
import { newHostKey, newMac } from './create.ts'
import { finishDeletion } from './deletion.ts'
import { type InstancePaths, instancePaths } from './paths.ts'
import { type InstanceRecord, readRecord, writeRecord } from './record.ts'
import { readState } from './state.ts'

const unfinished = '_clone-'
// Not one of those names: there may be a machine "lock".
const lockName = '_clone.lock'

/** What is cloned, into what. */
export interface CloneInput {
  home: string
  /** Its lock is held by the caller. */
  source: InstancePaths
  target: string
  host: Pick<Host, 'platform' | 'uid'>
  signal: AbortSignal
}

/**
 * Makes a second instance with the settings and disks of one that does not run, and a network address and host key of its
 * own. It is there under its name only when it is whole. Throws `usage` where the name is taken, `host` without space,
 * `cancelled` on abort.
 */
export async function cloneInstance(input: CloneInput): Promise<void> {
  const { home, source, target, host, signal } = input
  // One at a time: what others left unfinished is nobody's then.
  const lock = await acquireLock(path.join(home, lockName), { purpose: 'clone', signal })
  try {
    const final = instancePaths(home, target)
    await refuseTaken(final, host)
    for (const folder of unfinishedIn(home)) await rm(folder, { recursive: true, force: true })
    const part = instancePaths(home, `${unfinished}${target}`)
    await ensureDir(part.folder)
    try {
      await copyFiles(source, part, signal)
      if (!isWorker(source)) await partWorkers(source, part)
      const record = readRecord(source.record)
      if (record) {
        const hostKey = await newHostKey(part, target)
        const { node: _, ...rest } = record
        await writeRecord(part.record, {
          ...rest,
          // Its server can have one of that name only.
          ...(isWorker(source) ? {} : keptNode(source, record)),
          mac: newMac(),
          hostKey,
          created: new Date().toISOString(),
        })
      }
      await refuseTaken(final, host)
      await rename(part.folder, final.folder)
    } catch (error) {
      await rm(part.folder, { recursive: true, force: true })
      throw error
    }
  } finally {
    lock.release()
  }
}

/**
 * What the record of an instance is to have when the instance gets another name: its cluster, where it has had one, knows
 * its node, and what is bound to that, by the name it was made under.
 */
export function keptNode(paths: InstancePaths, record: InstanceRecord): Pick<InstanceRecord, 'node'> {
  const had = readState(paths.state)?.kubernetesPort !== undefined || isWorker(paths)
  return had || record.node !== undefined ? { node: record.node ?? externalName(paths.profile) } : {}
}

/** Whether it was a node of another's cluster when it ran last. */
function isWorker({ state }: InstancePaths): boolean {
  return (readState(state)?.config.kubernetes.join ?? '') !== ''
}

/** What clones that were killed left, while none is under way. */
export function unfinishedClones(home: string): string[] {
  return readLock(path.join(home, lockName)) === undefined ? unfinishedIn(home) : []
}

/**
 * Removes those of some folders that clones which were killed left; gives them. None while a clone is under way: that one
 * has removed what it found, and a folder may be its own.
 */
export async function removeUnfinishedClones(home: string, folders: readonly string[]): Promise<string[]> {
  // There may be no home to lock in.
  if (folders.length === 0) return []
  const lock = await acquireLock(path.join(home, lockName), { purpose: 'prune' }).catch((error: unknown) => {
    if (error instanceof TcolimaError && error.code === 'busy') return undefined
    throw error
  })
  if (!lock) return []
  try {
    const left = unfinishedIn(home).filter((folder) => folders.includes(folder))
    for (const folder of left) await rm(folder, { recursive: true, force: true })
    return left
  } finally {
    lock.release()
  }
}

/** Throws `usage` where an instance, or what one left, has a name already; what an interrupted delete left is removed. */
export async function refuseTaken(paths: InstancePaths, host: Pick<Host, 'platform' | 'uid'>): Promise<void> {
  await finishDeletion(paths, host)
  if (!existsSync(paths.folder)) return
  const { profile } = paths
  throw new TcolimaError('usage', `there is a machine ${profile} already, or its data disk`, {
    hint: `Take another name, or remove it with: tcolima delete --data ${profile}`,
  })
}

function unfinishedIn(home: string): string[] {
  const names = existsSync(home) ? readdirSync(home) : []
  return names.filter((name) => name.startsWith(unfinished)).map((name) => path.join(home, name))
}

/** The workers of a server are not its clone's, whose cluster has nodes of them: as if all had left while it did not run. */
async function partWorkers(source: InstancePaths, part: InstancePaths): Promise<void> {
  const workers = readJson(source.workers)
  if (!Array.isArray(workers)) return
  const gone = (workers as object[]).map((each) => ({ ...each, gone: true }))
  await writeJson(part.workers, gone)
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
