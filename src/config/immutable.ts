import type { Config } from './schema.ts'
import { formatSize } from './units.ts'

/** What an instance got when it was made and keeps. */
export interface FixedSettings {
  arch: string
  distro: string
  runtime: string
  /** Bytes of the data disk as it is now: it may have grown since. */
  disk: number
  /** Bytes of the system disk, likewise. */
  rootDisk: number
  /** Present when its guest's kernel has 9p. */
  kernel?: 'general'
}

/**
 * Takes what an instance is and the settings wanted; gives, for each change it cannot make, a sentence that says why and
 * what to do instead. Empty when it can make them all. To be asked before anything is saved or touched: the other ways
 * out lose data, so they are the user's to take.
 */
export function refusedChanges(
  fixed: FixedSettings,
  wanted: Pick<Config, 'arch' | 'distro' | 'runtime' | 'disk' | 'rootDisk' | 'mountType'>,
): string[] {
  const refused: string[] = []
  if (wanted.arch !== fixed.arch) refused.push(unchangeable('arch', fixed.arch, wanted.arch))
  if (wanted.distro !== fixed.distro) refused.push(unchangeable('distro', fixed.distro, wanted.distro))
  if (wanted.runtime !== fixed.runtime) refused.push(unchangeable('runtime', fixed.runtime, wanted.runtime))
  if (wanted.mountType === '9p' && fixed.kernel === undefined) {
    refused.push(
      'mountType: the kernel of this instance has no 9p, which only one made with 9p gets; keep sshfs, use another profile (-p NAME), or make the machine anew: tcolima delete keeps its images, containers and volumes, then start',
    )
  }
  if (wanted.disk < fixed.disk) {
    const size = formatSize(fixed.disk)
    refused.push(
      `disk: the data disk has ${size} and cannot shrink to ${formatSize(wanted.disk)}; keep ${size} or more, ${wayOut}`,
    )
  }
  if (wanted.rootDisk < fixed.rootDisk) {
    const size = formatSize(fixed.rootDisk)
    refused.push(
      `rootDisk: the system disk has ${size} and cannot shrink to ${formatSize(wanted.rootDisk)}; keep ${size} or more, or make the machine anew: tcolima delete keeps its images, containers and volumes, then start`,
    )
  }
  return refused
}

const wayOut =
  'use another profile (-p NAME), or delete this instance and its data (tcolima delete --data) and start again'

function unchangeable(key: string, has: string, wants: string): string {
  return `${key}: this instance was made with ${has} and cannot become ${wants}; keep ${has}, ${wayOut}`
}
