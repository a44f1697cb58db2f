import type { Distro, Runtime } from '../config/choices.ts'
import { TcolimaError } from '../host/errors.ts'
import { readJson, writeJson } from '../host/files.ts'

/** What was fixed when an instance was created. */
export interface InstanceRecord {
  version: 1
  arch: 'x86_64' | 'aarch64'
  /** The guest's distribution; absent for the first one there was, debian-13. */
  distro?: Distro
  runtime: Runtime
  /** The image its root disk lies over, and that image's content. */
  imageDigest: string
  imageSha256: string
  /** Debian's general kernel instead of the one for virtual machines: it has 9p. */
  kernel?: 'general'
  user: { name: string; uid: number }
  mac: string
  /** What the node of its cluster is called, where that is not as the machine: it was made under another name. */
  node?: string
  /** Public key line. */
  hostKey: string
  /** ISO time. */
  created: string
}

/**
 * Reads the record of an instance. Gives undefined when there is none (it was not created in full). Throws `failed` when
 * it cannot be understood.
 */
export function readRecord(file: string): InstanceRecord | undefined {
  const record = readJson(file) as InstanceRecord | undefined
  if (record === undefined) return undefined
  if (typeof record !== 'object' || record === null) {
    throw new TcolimaError('failed', `${file} does not hold what tcolima wrote there`)
  }
  if (record.version !== 1) {
    throw new TcolimaError(
      'failed',
      `${file} was written by another version of tcolima (format ${String(record.version)})`,
      {
        hint: 'Use the tcolima that made this instance, or make the instance anew with `tcolima delete` and `start`.',
      },
    )
  }
  return record
}

/** What Linux the guest of an instance is. Pure. */
export function distroOf({ distro }: Pick<InstanceRecord, 'distro'>): Distro {
  return distro ?? 'debian-13'
}

/** Writes the record, which makes the instance a created one. */
export async function writeRecord(file: string, record: InstanceRecord): Promise<void> {
  await writeJson(file, record)
}
