import { externalName } from '../config/profile.ts'
import { TcolimaError } from '../host/errors.ts'
import { instancePaths } from '../instance/paths.ts'
import { setProtection } from '../instance/protection.ts'
import { viewInstance } from '../instance/view.ts'
import type { CommandContext } from './command.ts'
import { jsonLine } from './render/output.ts'

/** Protects a machine from `delete`, or no longer; gives the exit code. Throws `not-found`. */
export async function protect({ home, profile, output }: CommandContext, on: boolean): Promise<number> {
  if (!viewInstance(home, profile)) {
    throw new TcolimaError('not-found', `there is no machine ${profile}`, { hint: 'See `tcolima list`.' })
  }
  await setProtection(instancePaths(home, profile), on)
  const name = externalName(profile)
  if (output.json) jsonLine(output, { type: 'done', time: new Date().toISOString(), name, protected: on })
  else output.err(on ? `${name} cannot be deleted now\n` : `${name} can be deleted\n`)
  return 0
}
