import { existsSync } from 'node:fs'
import { messageOf } from '../host/errors.ts'
import { readLock } from '../host/lock.ts'
import { instancePaths } from '../instance/paths.ts'
import type { CommandContext } from './command.ts'

/**
 * Finishes what a command that was killed left of the context's machine, before another is run: a delete goes on, and
 * what a rename owes it is given. Costs two looks at the disk where there is nothing. Throws `busy` while another
 * process deletes.
 */
export async function finishInterrupted(context: CommandContext): Promise<void> {
  const { home, profile, host, output } = context
  const paths = instancePaths(home, profile)
  if (existsSync(paths.deletion)) {
    const { finishDeletion } = await import('../instance/deletion.ts')
    await finishDeletion(paths, host)
  }
  // Those that take it, a rename and a delete, hold the lock until they are done: then it is no leftover.
  if (existsSync(paths.autostartOwed) && readLock(paths.lock) === undefined) {
    const [{ returnAutostart }, { renderWarning }] = await Promise.all([
      import('./autostart.ts'),
      import('./render/output.ts'),
    ])
    await returnAutostart(context).catch((error: unknown) => {
      renderWarning(output, `${profile} no longer starts by itself: ${messageOf(error)}`)
    })
  }
}
