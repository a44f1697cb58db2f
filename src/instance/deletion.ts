import { existsSync, readdirSync } from 'node:fs'
import { rm, rmdir } from 'node:fs/promises'
import path from 'node:path'
import { mostMountDevices } from '../config/mounts.ts'
import { readJson, writeJson } from '../host/files.ts'
import { acquireLock, type Lock, readLock } from '../host/lock.ts'
import type { Host } from '../host/platform.ts'
import { removeSocket, socketPath } from '../host/sockets.ts'
import { engines } from '../runtime/engines.ts'
import { type InstancePaths, linkSockets } from './paths.ts'

/**
 * Removes the files of an instance, its data disk only with `data`; the caller holds the lock. From the first step on it
 * is a deleted one: whatever ends this process, `finishDeletion` does the rest.
 */
export async function deleteFiles(
  paths: InstancePaths,
  data: boolean,
  host: Pick<Host, 'platform' | 'uid'>,
): Promise<void> {
  await writeJson(paths.deletion, { data })
  await removeFiles(paths, data, host)
}

/**
 * Removes what an interrupted `deleteFiles` left, and a folder in which there is nothing any more. Throws `busy` while
 * another process deletes.
 */
export async function finishDeletion(
  paths: InstancePaths,
  host: Pick<Host, 'platform' | 'uid'>,
): Promise<void> {
  if (existsSync(paths.deletion)) {
    const lock = await lockIfThere(paths)
    try {
      const said = readJson(paths.deletion) as { data?: unknown } | undefined
      if (lock && said) await removeFiles(paths, said.data === true, host)
    } finally {
      lock?.release()
    }
  }
  await removeEmpty(paths)
}

/** The lock for a delete; none where another one has ended since, and there is nothing to lock. */
async function lockIfThere({ folder, lock }: InstancePaths): Promise<Lock | undefined> {
  try {
    return await acquireLock(lock, { purpose: 'delete' })
  } catch (error) {
    if (existsSync(folder)) throw error
    return undefined
  }
}

/** Removes the folder of an instance where nothing is in it but the lock of a process that is gone. */
async function removeEmpty({ folder, lock }: InstancePaths): Promise<void> {
  const names = existsSync(folder) ? readdirSync(folder) : []
  const name = path.basename(lock)
  if (names.some((each) => each !== name && !each.startsWith(`${name}.`)) || readLock(lock)) return
  for (const each of names) await rm(path.join(folder, each), { force: true })
  await rmdir(folder).catch(() => undefined)
}

async function removeFiles(
  paths: InstancePaths,
  data: boolean,
  host: Pick<Host, 'platform' | 'uid'>,
): Promise<void> {
  const short = shortSockets(paths, host)
  // Containers stay on the data disk, and with them who owns what in the host's folders that they have mounted.
  const kept = data || !existsSync(paths.dataDisk) ? [] : [paths.dataDisk, paths.owners]
  const keep = new Set([paths.lock, paths.deletion, ...kept].map((file) => path.basename(file)))
  for (const name of readdirSync(paths.folder)) {
    if (keep.has(name)) continue
    const file = path.join(paths.folder, name)
    if (name.endsWith('.sock')) await removeSocket(file, host.platform)
    else await rm(file, { recursive: true, force: true })
  }
  // Also where the link that led there is gone already.
  for (const file of short) await rm(file, { force: true })
  await rm(paths.deletion, { force: true })
}

function shortSockets(paths: InstancePaths, host: Pick<Host, 'platform' | 'uid'>): string[] {
  const ofEngines = Object.values(engines).flatMap(({ sockets }) => sockets.map(({ name }) => name))
  const names = [
    paths.agentSocketName,
    'qmp.sock',
    'guest.sock',
    'names.sock',
    ...readdirSync(path.dirname(paths.folder)).flatMap((server) => Object.values(linkSockets(server))),
    ...ofEngines,
  ]
  // Any number of them may have been added while it ran.
  const mounts = Array.from({ length: mostMountDevices }, (_, at) => `mount.${at}.sock`)
  return [...names, ...mounts].flatMap((name) => {
    const place = socketPath(paths.folder, name, host.platform, host.uid)
    return place.link === undefined ? [] : [place.path]
  })
}
