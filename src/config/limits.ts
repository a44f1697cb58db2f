import os from 'node:os'
import { bad, type Checked, good } from './checked.ts'
import { defaults } from './defaults.ts'
import { GIB, MIB, parseSize } from './units.ts'

/** The least memory, in bytes, with which the guest and an engine still start. */
export const MIN_MEMORY: number = 512 * MIB

/** The least data disk, in bytes. */
const MIN_DISK = GIB

/** The image and what a few packages take. */
const MIN_ROOT_DISK = 5 * GIB

/** ext4 with its usual 4 KiB blocks ends at 16 TiB. */
const MAX_DISK = 16 * 1024 * GIB

/**
 * Takes the processors wanted; gives them when whole and from 1 to 64, or to eight times the host's where that is more.
 * More than the host has is allowed on purpose: it works, and is how people test for larger machines.
 */
export function checkCpus(value: unknown, hostCpus: number = os.availableParallelism()): Checked<number> {
  const max = Math.max(64, hostCpus * 8)
  const fits = typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= max
  return fits ? good(value) : bad(`must be a whole number from 1 to ${max}`)
}

/**
 * Takes memory as a number of GiB or text with a unit; gives bytes. From 512 MiB to the host's memory, though the
 * default (2 GiB) is allowed everywhere: else the file tcolima itself writes would be refused on a very small host.
 */
export function checkMemory(value: unknown, hostMemory: number = os.totalmem()): Checked<number> {
  const max = Math.max(hostMemory, defaults.memory)
  const bytes = sizeOf(value)
  if (bytes !== undefined && bytes >= MIN_MEMORY && bytes <= max) return good(bytes)
  // Rounded down: a maximum that is itself refused would be a poor answer.
  return bad(`must be a number of GiB from 0.5 to ${Math.floor((max / GIB) * 100) / 100}`)
}

/** Takes the data disk as a whole number of GiB or text with a unit; gives bytes, from 1 GiB to 16 TiB. */
export function checkDisk(value: unknown): Checked<number> {
  const bytes = sizeOf(value)
  const whole = typeof value !== 'number' || Number.isInteger(value)
  if (whole && bytes !== undefined && bytes >= MIN_DISK && bytes <= MAX_DISK) return good(bytes)
  return bad(`must be a whole number of GiB from ${MIN_DISK / GIB} to ${MAX_DISK / GIB}`)
}

/** Takes the system disk as `checkDisk` takes the data disk; gives bytes, from 5 GiB to 16 TiB. 0 is Colima's "the default". */
export function checkRootDisk(value: unknown): Checked<number> {
  if (value === 0) return good(defaults.rootDisk)
  const disk = checkDisk(value)
  return disk.ok && disk.value >= MIN_ROOT_DISK
    ? disk
    : bad(`must be a whole number of GiB from ${MIN_ROOT_DISK / GIB} to ${MAX_DISK / GIB}`)
}

/** Takes the host's port for SSH; 0: a free one. Below 1024 only root may listen, and QEMU has the user's rights. */
export function checkSshPort(value: unknown): Checked<number> {
  const fits = typeof value === 'number' && Number.isInteger(value) && value <= 65_535
  if (fits && (value === 0 || value >= 1024)) return good(value)
  return bad('must be a port from 1024 to 65535, or 0 for any')
}

function sizeOf(value: unknown): number | undefined {
  return typeof value === 'number' || typeof value === 'string' ? parseSize(value) : undefined
}
