import { viewInstance } from '../../instance/view.ts'
import { type CommandContext, isOn } from '../command.ts'
import { checkStart, run as start } from './start.ts'
import { stopInstance } from './stop.ts'

/** `tcolima restart` */
export async function run(context: CommandContext): Promise<number> {
  // What the start would refuse is refused while the machine still runs.
  await checkStart(context)
  if (viewInstance(context.home, context.profile)) await stopInstance(context, isOn(context, 'force'))
  return await start({ ...context, flags: { ...context.flags, edit: false } })
}
