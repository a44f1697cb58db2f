import { PassThrough } from 'node:stream'
import { TcolimaError } from '../../host/errors.ts'
import type { CommandContext } from '../command.ts'
import { type CopyEnd, guestEnd, hostEnd, printedAt } from '../copy-end.ts'
import { copyPlan, type Place } from '../copy-place.ts'
import { lookScript, receiveScript, sendScript } from '../copy-scripts.ts'
import { workingFolder } from '../flags.ts'
import { interruptible } from '../interrupt.ts'
import { jsonLine } from '../render/output.ts'
import { requireRunning } from '../running.ts'

/** `tcolima cp` */
export async function run(context: CommandContext): Promise<number> {
  const { sources, target } = copyPlan(context.rest, context.profile)
  const profile = target.profile ?? sources[0]?.profile ?? context.profile
  requireRunning({ ...context, profile })
  await interruptible(async (signal) => {
    const here = hostEnd(workingFolder(), signal)
    const there = guestEnd(context, profile, signal)
    const [from, to] = target.profile === undefined ? [there, here] : [here, there]
    const into = await targetTakes(to, target, sources.length)
    for (const source of sources) await copy(from, source, to, target, into)
  })
  if (context.output.json) {
    const time = new Date().toISOString()
    jsonLine(context.output, { type: 'done', time, copied: sources.length, target: context.rest.at(-1) })
  }
  return 0
}

/** Whether the target is a folder to copy into; throws when it cannot be what is copied either. */
async function targetTakes(to: CopyEnd, { path }: Place, count: number): Promise<boolean> {
  const kind = await printedAt(to, lookScript(path))
  if (kind === 'folder') return true
  const problem = (text: string) => new TcolimaError('usage', `${to.name}: ${path} ${text}`)
  if (kind === 'none-above') throw problem('lies in a folder that does not exist')
  if (count > 1 || path.endsWith('/')) throw problem('is no folder')
  return false
}

async function copy(from: CopyEnd, source: Place, to: CopyEnd, target: Place, into: boolean): Promise<void> {
  const kind = await printedAt(from, lookScript(source.path))
  if (kind.startsWith('none')) {
    throw new TcolimaError('not-found', `${from.name}: there is no ${source.path}`)
  }
  const tar = new PassThrough()
  // The end that fails first says why; what the other says then is only that it was left alone.
  let first: unknown
  const noted = async (end: Promise<void>) => {
    try {
      await end
    } catch (error) {
      first ??= error
    }
  }
  const sent = noted(from.run(sendScript(source.path), { output: tar })).then(() => {
    if (first !== undefined) tar.destroy(first as Error)
  })
  const received = noted(to.run(receiveScript(source.path, target.path, into), { input: tar })).then(() => {
    // It has no more use for it: the sender must not wait.
    tar.resume()
  })
  await Promise.all([sent, received])
  if (first !== undefined) throw first
}
