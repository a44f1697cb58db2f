import { closeSync, openSync, readSync } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { TcolimaError } from '../host/errors.ts'
import { syncFile } from '../host/files.ts'
import { run } from '../host/run.ts'

/** Makes the root disk of an instance, an overlay on the shared image: `size` bytes as the guest sees it. */
export async function createRootDisk(
  file: string,
  base: string,
  size: number,
  signal?: AbortSignal,
): Promise<void> {
  await create(file, ['-b', base, '-F', 'raw'], size, signal)
}

/** Makes an empty disk that grows with what is written to it, up to `size` bytes. */
export async function createDataDisk(file: string, size: number, signal?: AbortSignal): Promise<void> {
  await create(file, [], size, signal)
}

/** The size of a disk in bytes, as the guest sees it. Works while QEMU has it open. */
export async function diskSize(file: string): Promise<number> {
  const { stdout } = await run('qemu-img', ['info', '--force-share', '--output=json', file])
  const info = JSON.parse(stdout) as { 'virtual-size'?: number }
  if (info['virtual-size'] === undefined)
    throw new TcolimaError('failed', `qemu-img gave no size for ${file}`)
  return info['virtual-size']
}

/**
 * The size of a qcow2 disk in bytes, as `diskSize`, read from its header without another program (QEMU,
 * docs/interop/qcow2: a magic number, and the size at byte 24). Undefined when there is no such file or it is another.
 */
export function qcow2Size(file: string): number | undefined {
  const header = Buffer.alloc(32)
  try {
    const handle = openSync(file, 'r')
    try {
      if (readSync(handle, header, 0, header.length, 0) < header.length) return undefined
    } finally {
      closeSync(handle)
    }
  } catch {
    return undefined
  }
  return header.toString('latin1', 0, 4) === 'QFI\u00fb' ? Number(header.readBigUInt64BE(24)) : undefined
}

/** Makes a disk larger; the guest's file system follows at its next boot. */
export async function growDisk(file: string, size: number, signal?: AbortSignal): Promise<void> {
  await run('qemu-img', ['resize', '-f', 'qcow2', file, String(size)], { signal })
}

/**
 * Writes a disk anew without what is empty in it; nobody may have it open. It takes the old one's place when it is whole.
 * Throws `failed` when it cannot, `cancelled` on abort.
 */
export async function compactDisk(file: string, signal?: AbortSignal): Promise<void> {
  const unfinished = unfinishedDisk(file)
  const { stdout } = await run('qemu-img', ['info', '--output=json', file])
  const { 'full-backing-filename': base } = JSON.parse(stdout) as { 'full-backing-filename'?: string }
  const over = base === undefined ? [] : ['-B', base, '-F', 'raw']
  try {
    await run('qemu-img', ['convert', '-f', 'qcow2', '-O', 'qcow2', ...over, file, unfinished], {
      signal,
      // Killed with us: it would go on to hold the disk, and no machine could start on it.
      tied: true,
    })
    await syncFile(unfinished)
    await rename(unfinished, file)
  } catch (error) {
    await rm(unfinished, { force: true })
    throw error
  }
}

/** Removes what making or compacting a disk left when it was killed; nobody may be at it. */
export async function removeUnfinishedDisk(file: string): Promise<void> {
  await rm(unfinishedDisk(file), { force: true })
}

function unfinishedDisk(file: string): string {
  return `${file}.new`
}

async function create(file: string, options: string[], size: number, signal?: AbortSignal): Promise<void> {
  // Under its own name only when whole: an interrupted start leaves nothing that looks like a disk.
  const unfinished = unfinishedDisk(file)
  await run('qemu-img', ['create', '-q', '-f', 'qcow2', ...options, unfinished, String(size)], { signal })
  await rename(unfinished, file)
}
