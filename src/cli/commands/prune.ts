import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { formatSize } from '../../config/units.ts'
import { TcolimaError } from '../../host/errors.ts'
import { diskUse } from '../../image/unused.ts'
import { unfinishedClones } from '../../instance/clone.ts'
import { instancePaths } from '../../instance/paths.ts'
import { listInstances } from '../../instance/view.ts'
import { type CommandContext, isOn } from '../command.ts'
import { confirm } from '../confirm.ts'
import { jsonLine } from '../render/output.ts'
import { removeImages, unusedImages } from '../unused-images.ts'

/** `tcolima prune` */
export async function run(context: CommandContext): Promise<number> {
  const disks = isOn(context, 'all') ? formerDisks(context.home) : []
  return await pruneAll(context, [...unfinishedClones(context.home), ...disks])
}

/** Removes the images that nothing uses, and other files and folders, after a yes; gives the exit code. */
export async function pruneAll(context: CommandContext, files: string[]): Promise<number> {
  const { home, host, output } = context
  const images = await unusedImages(home)
  const sizes = await Promise.all(files.map((file) => diskUse(file)))
  const total = [...images.map(({ bytes }) => bytes), ...sizes].reduce((sum, size) => sum + size, 0)
  const names = [...images.map(({ name, whole }) => (whole ? `image ${name}` : `leftover ${name}`)), ...files]
  if (names.length > 0 && !isOn(context, 'force') && !(await allowed(names, total))) {
    output.err('nothing was removed\n')
    return 1
  }
  const gone = await removeImages(home, host, images)
  for (const file of files) await rm(file, { recursive: true, force: true })
  const freed = [...gone.map(({ bytes }) => bytes), ...sizes].reduce((sum, size) => sum + size, 0)
  if (output.json) {
    const removed = [...gone.map(({ name }) => name), ...files]
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
