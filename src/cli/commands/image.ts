import path from 'node:path'
import { formatSize } from '../../config/units.ts'
import { profileName } from '../../config/profile.ts'
import { installationFolder } from '../../host/assets.ts'
import { TcolimaError } from '../../host/errors.ts'
import { runStep } from '../../host/progress.ts'
import { ensureImage } from '../../image/build.ts'
import { recipeFor } from '../../image/recipe.ts'
import { kernelFor } from '../../instance/create.ts'
import { homePaths, instancePaths } from '../../instance/paths.ts'
import { readRecord } from '../../instance/record.ts'
import { engineNamed } from '../../runtime/engines.ts'
import { type CommandContext, textOf } from '../command.ts'
import { interruptible } from '../interrupt.ts'
import { jsonLine } from '../render/output.ts'
import { ProgressView } from '../render/progress.ts'
import { table } from '../render/table.ts'
import { removeUnused, seeList, usedImages } from '../unused-images.ts'
import { pruneAll } from './prune.ts'
import { checkStart, hostPackages } from './start.ts'

/** `tcolima image` */
export async function run(context: CommandContext): Promise<number> {
  const [action = '', word] = context.rest
  if (word !== undefined && ['list', 'ls', 'prune'].includes(action)) {
    throw new TcolimaError(
      'usage',
      `image ${action} is about all machines: ${JSON.stringify(word)} has no effect`,
    )
  }
  switch (action) {
    case 'list':
    case 'ls':
      return await list(context)
    case 'build':
      return await build(word === undefined ? context : { ...context, profile: profileName(word) })
    case 'remove':
    case 'rm':
      return await remove(context, word)
    case 'prune':
      return await pruneAll(context, [], [])
    default:
      throw new TcolimaError(
        'usage',
        `image ${JSON.stringify(action)} is none of list, build, remove and prune`,
      )
  }
}

async function list({ home, output }: CommandContext): Promise<number> {
  const images = await usedImages(home)
  if (output.json) for (const image of images) jsonLine(output, image)
  else {
    const rows = images.map(({ name, whole, bytes, machines }) => [
      name,
      whole ? 'whole' : 'leftover',
      formatSize(bytes),
      machines.join(' '),
    ])
    output.out(table([['IMAGE', 'STATE', 'SIZE', 'USED BY'], ...rows]))
  }
  return 0
}

async function remove({ home, host, output }: CommandContext, name: string | undefined): Promise<number> {
  if (name === undefined) {
    throw new TcolimaError('usage', 'which image? `image remove` takes the name of one', { hint: seeList })
  }
  const { bytes } = await removeUnused(home, host, name)
  if (output.json) {
    jsonLine(output, { type: 'done', time: new Date().toISOString(), removed: [name], bytes })
  } else output.err(`${formatSize(bytes)} are free again\n`)
  return 0
}

/** Builds what `start` would build, for a machine that is there or not. */
async function build(context: CommandContext): Promise<number> {
  const { home, host, output } = context
  const loaded = await checkStart(context)
  const { config } = loaded
  const view = new ProgressView(output)
  try {
    const image = await interruptible(async (signal) => {
      await hostPackages(context, loaded, view, signal)
      return await runStep(view.report, 'image', async ({ note, detail }) => {
        const guestFolder = path.join(installationFolder(), 'guest')
        const kernel = kernelFor(config.mountType, readRecord(instancePaths(home, context.profile).record))
        const mirror = textOf(context, 'debianMirror')
        const engine = engineNamed(config.runtime)
        const { arch, distro } = config
        const made = await ensureImage(recipeFor({ distro, arch, engine, guestFolder, mirror, kernel }), {
          imagesFolder: homePaths(home).images,
          guestFolder,
          root: host.uid === 0,
          signal,
          note,
        })
        detail(made.built ? 'built' : 'it is there already')
        return made
      })
    })
    view.close()
    if (output.json) {
      const { digest: name, built } = image
      jsonLine(output, { type: 'done', time: new Date().toISOString(), name, built })
    }
    return 0
  } finally {
    view.close()
  }
}
