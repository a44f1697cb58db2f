import { readFileSync } from 'node:fs'
import { externalName } from '../../config/profile.ts'
import { TcolimaError } from '../../host/errors.ts'
import { instancePaths } from '../../instance/paths.ts'
import { type CommandContext, textOf } from '../command.ts'
import { requireRunning } from '../running.ts'
import { shellQuote } from '../../guest/quote.ts'

/** `tcolima ssh-config` */
export async function run(context: CommandContext): Promise<number> {
  const format = textOf(context, 'format') ?? 'config'
  if (format !== 'config' && format !== 'cmd') {
    throw new TcolimaError('usage', `--format takes config or cmd, not ${JSON.stringify(format)}`)
  }
  requireRunning(context)
  const { home, profile, output } = context
  const { sshConfig } = instancePaths(home, profile)
  if (format === 'cmd') output.out(`ssh -F ${shellQuote(sshConfig)} ${externalName(profile)}\n`)
  else output.out(readFileSync(sshConfig, 'utf8'))
  return 0
}
