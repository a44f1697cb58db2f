import { askAgent } from '../../agent/ask.ts'
import { externalName } from '../../config/profile.ts'
import { messageOf, TcolimaError } from '../../host/errors.ts'
import { isAlive } from '../../host/processes.ts'
import { instancePaths } from '../../instance/paths.ts'
import { readState } from '../../instance/state.ts'
import { viewInstance } from '../../instance/view.ts'
import { leaveCluster } from '../../runtime/kubernetes/kubeconfig.ts'
import { type CommandContext, isOn } from '../command.ts'
import { forceStop } from '../force-stop.ts'
import { withoutInstance } from '../host-clients.ts'
import { kubeconfigInput } from '../kubeconfig.ts'
import { jsonLine, renderWarning } from '../render/output.ts'
import { ProgressView } from '../render/progress.ts'

// Milliseconds an agent has for a forced stop: QEMU is told to quit, then ended. One that hangs must not hold it up.
const forcedLimitMs = 30_000

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
    const limit = force ? { limitMs: forcedLimitMs } : {}
    try {
      await askAgent(home, paths, host, 'stop', { force }, { report: progress.report, ...limit })
    } catch (error) {
      if (!force) throw error
      renderWarning(output, `the agent could not stop it: ${messageOf(error)}; its processes are ended`)
      await forceStop(paths)
    } finally {
      progress.close()
    }
  }
  for (const text of await leaveCluster(kubeconfigInput(context))) renderWarning(output, text)
  await withoutInstance(context, 'leave')
  return runs
}
