import { externalName } from '../config/profile.ts'
import { TcolimaError } from '../host/errors.ts'
import { viewInstance } from '../instance/view.ts'
import type { CommandContext } from './command.ts'

/** Throws `not-found` or `not-running` unless the machine runs. */
export function requireRunning({ home, profile }: CommandContext): void {
  const view = viewInstance(home, profile)
  const name = externalName(profile)
  if (!view)
    throw new TcolimaError('not-found', `there is no machine ${profile}`, { hint: 'See `tcolima list`.' })
  if (view.status === 'Running') return
  // A start under way is far enough once its guest lets us in; that is for the agent to say.
  if (view.status === 'Starting' && view.state) return
  throw new TcolimaError('not-running', `${name} is not running`, {
    hint: `Start it with: tcolima start ${profile}`,
  })
}
