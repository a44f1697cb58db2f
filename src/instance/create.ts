import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile, rename } from 'node:fs/promises'
import type { Config } from '../config/schema.ts'
import { formatSize } from '../config/units.ts'
import { guestUser } from '../guest/user.ts'
import { TcolimaError } from '../host/errors.ts'
import { writeFileAtomic } from '../host/files.ts'
import type { Host } from '../host/platform.ts'
import type { Kernel } from '../image/recipe.ts'
import type { Image } from '../image/store.ts'
import { generateKey } from '../ssh/keys.ts'
import { createDataDisk, createRootDisk, diskSize, growDisk, removeUnfinishedDisk } from '../vm/disks.ts'
import type { InstancePaths } from './paths.ts'
import { type InstanceRecord, writeRecord } from './record.ts'

/** What creation needs to know. */
export interface CreateInput {
  paths: InstancePaths
  config: Config
  image: Image
  host: Host
  signal: AbortSignal
}

/** The kernel of an instance: what it has, or for a new one what its mounts take. Pure. */
export function kernelFor(mountType: Config['mountType'], existing: InstanceRecord | undefined): Kernel {
  if (existing) return existing.kernel ?? 'cloud'
  // Debian's kernel for virtual machines has virtiofs built in, and no 9p.
  return mountType === '9p' ? 'general' : 'cloud'
}

/**
 * Makes what an instance needs and does not have yet: host key, record, disks. An interrupted call leaves nothing that
 * the next one takes for whole. Throws `config` when the data disk would have to shrink.
 */
export async function ensureInstance(
  input: CreateInput,
  existing: InstanceRecord | undefined,
): Promise<InstanceRecord> {
  const { paths, image, host, config } = input
  for (const disk of [paths.rootDisk, paths.dataDisk]) await removeUnfinishedDisk(disk)
  await ensureDataDisk(input)
  if (existing && existing.imageSha256 === image.sha256 && existsSync(paths.rootDisk)) {
    if (config.rootDisk > (await diskSize(paths.rootDisk))) {
      await growDisk(paths.rootDisk, config.rootDisk, input.signal)
    }
    return existing
  }

  // A root disk without its image, or the image without it, holds nothing that could be read; the data disk does.
  if (existsSync(paths.rootDisk)) await rename(paths.rootDisk, `${paths.rootDisk}.old`)
  await createRootDisk(paths.rootDisk, image.root, config.rootDisk, input.signal)
  const record: InstanceRecord = {
    version: 1,
    arch: config.arch,
    ...(config.distro === 'debian-13' ? {} : { distro: config.distro }),
    runtime: config.runtime,
    imageDigest: image.digest,
    imageSha256: image.sha256,
    ...(kernelFor(config.mountType, existing) === 'general' ? { kernel: 'general' } : {}),
    user: guestUser(host, image.names),
    mac: existing?.mac ?? newMac(),
    hostKey: await ensureHostKey(paths),
    created: existing?.created ?? new Date().toISOString(),
  }
  await writeRecord(paths.record, record)
  return record
}

/** A network address of its own for a guest. */
export function newMac(): string {
  const bytes = [...randomBytes(3)].map((byte) => byte.toString(16).padStart(2, '0'))
  // Locally administered, unicast; QEMU's own prefix (docs of `-device virtio-net-pci,mac=`).
  return `52:54:00:${bytes.join(':')}`
}

/** Makes the host key of a guest, in the place of any other; gives its public line. */
export async function newHostKey(paths: Pick<InstancePaths, 'hostKey'>, profile: string): Promise<string> {
  const key = generateKey(`tcolima guest ${profile}`)
  await writeFileAtomic(`${paths.hostKey}.pub`, `${key.public}\n`, 0o644)
  await writeFileAtomic(paths.hostKey, key.private)
  return key.public.trim()
}

async function ensureHostKey(paths: InstancePaths): Promise<string> {
  if (!existsSync(paths.hostKey)) return await newHostKey(paths, paths.profile)
  return (await readFile(`${paths.hostKey}.pub`, 'utf8')).trim()
}

async function ensureDataDisk({ paths, config, signal }: CreateInput): Promise<void> {
  if (!existsSync(paths.dataDisk)) {
    await createDataDisk(paths.dataDisk, config.disk, signal)
    return
  }
  const size = await diskSize(paths.dataDisk)
  if (config.disk > size) await growDisk(paths.dataDisk, config.disk, signal)
  if (config.disk < size) {
    throw new TcolimaError(
      'config',
      `the data disk has ${formatSize(size)} and cannot shrink to ${formatSize(config.disk)}`,
      {
        hint: `Start with --disk ${Math.ceil(size / 2 ** 30)}, use another profile, or remove the data with \`tcolima delete --data\`.`,
      },
    )
  }
}
