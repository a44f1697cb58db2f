import { refusedChanges } from '../config/immutable.ts'
import type { Config } from '../config/schema.ts'
import { TcolimaError } from '../host/errors.ts'
import { qcow2Size } from '../vm/disks.ts'
import type { InstancePaths } from './paths.ts'
import { distroOf, readRecord } from './record.ts'

/**
 * Refuses settings that an instance cannot have any more, from wherever they come, before anything is saved, stopped or
 * made. A disk that an earlier `delete` kept counts too. Throws `config`, a line for each, with the ways out.
 */
export function refuseChanges(paths: InstancePaths, wanted: Config): void {
  const record = readRecord(paths.record)
  const disk = qcow2Size(paths.dataDisk) ?? 0
  const rootDisk = (record && qcow2Size(paths.rootDisk)) ?? 0
  // Where there is no instance yet, everything but a disk that is kept can become what is wanted.
  const fixed = record
    ? { ...record, distro: distroOf(record) }
    : { arch: wanted.arch, distro: wanted.distro, runtime: wanted.runtime, kernel: 'general' as const }
  const refused = refusedChanges({ ...fixed, disk, rootDisk }, wanted)
  if (refused.length > 0) throw new TcolimaError('config', refused.join('\n'))
}
