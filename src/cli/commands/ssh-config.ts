import { readFileSync } from 'node:fs'
import { instancePaths } from '../../instance/paths.ts'
import type { CommandContext } from '../command.ts'
import { requireRunning } from '../running.ts'

/** `tcolima ssh-config` */
export async function run(context: CommandContext): Promise<number> {
  requireRunning(context)
  context.output.out(readFileSync(instancePaths(context.home, context.profile).sshConfig, 'utf8'))
  return 0
}
