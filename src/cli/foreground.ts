import { askAgent } from '../agent/ask.ts'
import { externalName } from '../config/profile.ts'
import { delay } from '../host/delay.ts'
import { TcolimaError } from '../host/errors.ts'
import { instancePaths } from '../instance/paths.ts'
import { readState } from '../instance/state.ts'
import { viewInstance } from '../instance/view.ts'
import { stopInstance } from './commands/stop.ts'
import type { CommandContext } from './command.ts'

// Milliseconds between two questions to agents that do not last.
const pauseMs = 1000

/**
 * Stays while a machine runs; stops it when the signal aborts, as a supervisor of services expects. Gives the exit code: 0
 * when a command ended the machine. Throws `failed` when it ended by itself.
 */
export async function stayInForeground(context: CommandContext, signal: AbortSignal): Promise<number> {
  const { home, profile, host, output } = context
  const paths = instancePaths(home, profile)
  const name = externalName(profile)
  if (!output.json) output.err(`${name} stays in the foreground; Ctrl-C stops it\n`)
  while (viewInstance(home, profile)?.status === 'Running') {
    if (signal.aborted) {
      await stopInstance(context, false)
      return 0
    }
    // It ends with the machine; with its agent as well, which is then replaced.
    await askAgent(home, paths, host, 'watchPorts', {}, { signal }).catch(() => undefined)
    if (!signal.aborted) await delay(pauseMs, signal).catch(() => undefined)
  }
  const ended = readState(paths.state)?.ended
  if (ended === undefined || ended === 'the guest powered itself off') return 0
  throw new TcolimaError('failed', `${name} has ended: ${ended}`)
}
