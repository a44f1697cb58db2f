import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { formatSize } from '../../config/units.ts'
import { TcolimaError } from '../../host/errors.ts'
import { diskUse } from '../../image/unused.ts'
import { removeUnfinishedClones, unfinishedClones } from '../../instance/clone.ts'
import { instancePaths } from '../../instance/paths.ts'
import { listInstances } from '../../instance/view.ts'
import { type CommandContext, isOn } from '../command.ts'
import { confirm } from '../confirm.ts'
import { jsonLine } from '../render/output.ts'
import { removeImages, unusedImages } from '../unused-images.ts'

/** `tcolima prune` */
export async function run(context: CommandContext): Promise<number> {
  const disks = isOn(context, 'all') ? formerDisks(context.home) : []
  return await pruneAll(context, unfinishedClones(context.home), disks)
}

/** Removes the images that nothing uses, what unfinished clones left, and disks, after a yes; gives the exit code. */
export async function pruneAll(context: CommandContext, clones: string[], disks: string[]): Promise<number> {
  const { home, host, output } = context
  const images = await unusedImages(home)
  const files = [...clones, ...disks]
  const sizes = new Map(await Promise.all(files.map(async (file) => [file, await diskUse(file)] as const)))
  const sizeOf = (each: readonly { bytes: number }[], of: readonly string[]) =>
    [...each.map(({ bytes }) => bytes), ...of.map((file) => sizes.get(file) ?? 0)].reduce((a, b) => a + b, 0)
  const names = [...images.map(({ name, whole }) => (whole ? `image ${name}` : `leftover ${name}`)), ...files]
  if (names.length > 0 && !isOn(context, 'force') && !(await allowed(names, sizeOf(images, files)))) {
    output.err('nothing was removed\n')
    return 1
  }
  const gone = await removeImages(home, host, images)
  for (const file of disks) await rm(file, { force: true })
  // A clone may have begun since, under the name of one that was left.
  const goneFiles = [...(await removeUnfinishedClones(home, clones)), ...disks]
  const freed = sizeOf(gone, goneFiles)
  if (output.json) {
    const removed = [...gone.map(({ name }) => name), ...goneFiles]
    jsonLine(output, { type: 'done', time: new Date().toISOString(), removed, bytes: freed })
  } else if (names.length === 0) output.err('there is nothing to remove\n')
  else output.err(`${formatSize(freed)} are free again\n`)
  return 0
}

async function allowed(names: string[], bytes: number): Promise<boolean> {
  if (!process.stdin.isTTY) {
    throw new TcolimaError('usage', 'removing needs a yes, and there is no terminal to ask', {
      hint: 'Use --force to remove without a question.',
    })
  }
  return await confirm(`Remove ${names.join(', ')} (${formatSize(bytes)})?`)
}

/** System disks that were replaced when their image was gone; a running machine has nothing of them open either. */
function formerDisks(home: string): string[] {
  return listInstances(home).flatMap(({ name }) => {
    const file = `${instancePaths(home, name).rootDisk}.old`
    return existsSync(file) ? [file] : []
  })
}
