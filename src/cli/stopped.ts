import { externalName } from '../config/profile.ts'
import { TcolimaError } from '../host/errors.ts'
import { acquireLock } from '../host/lock.ts'
import { type InstancePaths, instancePaths } from '../instance/paths.ts'
import { viewInstance } from '../instance/view.ts'
import type { CommandContext } from './command.ts'

/**
 * Does something with the files of a machine that does not run; nobody else does meanwhile. Throws `not-found` without
 * one, `busy` while it runs or another command works on it.
 */
export async function whileStopped<T>(
  { home, profile }: Pick<CommandContext, 'home' | 'profile'>,
  purpose: string,
  work: (paths: InstancePaths) => Promise<T>,
): Promise<T> {
  const view = viewInstance(home, profile)
  if (!view) {
    throw new TcolimaError('not-found', `there is no machine ${profile}`, { hint: 'See `tcolima list`.' })
  }
  const running = () => {
    throw new TcolimaError('busy', `${externalName(profile)} runs, and ${purpose} needs it stopped`, {
      hint: `Stop it with: tcolima stop ${profile}`,
    })
  }
  if (view.status === 'Running') running()
  const paths = instancePaths(home, profile)
  const lock = await acquireLock(paths.lock, { purpose })
  try {
    // It may have come up, and lost its agent, before the lock was ours.
    if (viewInstance(home, profile)?.status === 'Running') running()
    return await work(paths)
  } finally {
    lock.release()
  }
}
