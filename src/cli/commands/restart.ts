import { askAdmission } from '../../agent/join.ts'
import type { Config } from '../../config/schema.ts'
import { instancePaths } from '../../instance/paths.ts'
import { viewInstance } from '../../instance/view.ts'
import { type CommandContext, isOn } from '../command.ts'
import { interruptible } from '../interrupt.ts'
import { mirrorOf } from '../mirror.ts'
import { ProgressView } from '../render/progress.ts'
import { checkStart, run as start } from './start.ts'
import { stopInstance } from './stop.ts'

/** `tcolima restart` */
export async function run(context: CommandContext): Promise<number> {
  // What the start would refuse is refused while the machine still runs.
  const { config } = await checkStart(context)
  const view = viewInstance(context.home, context.profile)
  if (view?.status === 'Running') await letIn(context, config)
  if (view) await stopInstance(context, isOn(context, 'force'))
  return await start({ ...context, flags: { ...context.flags, edit: false } })
}

/** Asks the server of the cluster that the machine is to join. The start asks again, which changes nothing more. Throws like `askAdmission`. */
async function letIn(context: CommandContext, config: Config): Promise<void> {
  const { home, profile, host, output } = context
  const view = new ProgressView(output)
  const joining = { home, host, paths: instancePaths(home, profile) }
  const mirror = mirrorOf(context, config.mirror)
  try {
    await interruptible((signal) => askAdmission(joining, config, mirror, view.report, signal))
  } finally {
    view.close()
  }
}
