import { askAgent } from '../../agent/ask.ts'
import { externalName } from '../../config/profile.ts'
import { TcolimaError } from '../../host/errors.ts'
import { isAlive, terminate } from '../../host/processes.ts'
import { instancePaths } from '../../instance/paths.ts'
import { readState } from '../../instance/state.ts'
import { viewInstance } from '../../instance/view.ts'
import { leaveContext } from '../../runtime/docker/context.ts'
import { type CommandContext, isOn } from '../command.ts'
import { jsonLine } from '../render/output.ts'
import { ProgressView } from '../render/progress.ts'

/** `tcolima stop` */
export async function run(context: CommandContext): Promise<number> {
  const { home, profile, output } = context
  const view = viewInstance(home, profile)
  if (!view)
    throw new TcolimaError('not-found', `there is no machine ${profile}`, { hint: 'See `tcolima list`.' })
  const ran = await stopInstance(context, isOn(context, 'force'))
  const name = externalName(profile)
  if (output.json) jsonLine(output, { type: 'done', time: new Date().toISOString(), name, stopped: ran })
  else output.err(ran ? `${name} is stopped\n` : `${name} is not running\n`)
  return 0
}

/** Stops what runs of the instance, and goes back to the former docker context; gives whether anything ran. */
export async function stopInstance(context: CommandContext, force: boolean): Promise<boolean> {
  const { home, profile, host, output } = context
  const paths = instancePaths(home, profile)
  const view = viewInstance(home, profile)
  const qemu = readState(paths.state)?.qemu
  const runs = view?.agent === true || (qemu !== undefined && isAlive(qemu))
  if (runs) {
    const progress = new ProgressView(output)
    try {
      await askAgent(home, paths, host, 'stop', { force }, { report: progress.report })
    } catch (error) {
      if (!force) throw error
    } finally {
      progress.close()
    }
    // What a forced stop could not have done by the agent.
    if (force && qemu !== undefined) await terminate(qemu, { graceMs: 0 })
  }
  await leaveContext({ name: externalName(profile), folder: paths.folder, env: host.env })
  return runs
}
