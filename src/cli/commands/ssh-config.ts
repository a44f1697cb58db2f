import { readFileSync } from 'node:fs'
import { externalName } from '../../config/profile.ts'
import { TcolimaError } from '../../host/errors.ts'
import { homePaths, instancePaths } from '../../instance/paths.ts'
import { readRecord } from '../../instance/record.ts'
import { readState } from '../../instance/state.ts'
import { type CommandContext, textOf } from '../command.ts'
import { jsonLine } from '../render/output.ts'
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
  if (output.json) jsonLine(output, await facts(context))
  else if (format === 'cmd') output.out(`ssh -F ${shellQuote(sshConfig)} ${externalName(profile)}\n`)
  else output.out(readFileSync(sshConfig, 'utf8'))
  return 0
}

/** What other programs than OpenSSH's need to come into the guest. */
async function facts({ home, profile }: CommandContext) {
  const { record, state, sshConfig, knownHosts } = instancePaths(home, profile)
  // Loads ssh2, which the other forms do without.
  const { userKey } = await import('../../ssh/keys.ts')
  const { file } = await userKey(homePaths(home).keys)
  return {
    host: externalName(profile),
    hostname: '127.0.0.1',
    port: readState(state)?.sshPort ?? 0,
    user: readRecord(record)?.user.name ?? '',
    identity_file: file,
    known_hosts_file: knownHosts,
    config_file: sshConfig,
  }
}
