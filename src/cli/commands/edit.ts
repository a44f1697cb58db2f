import { instancePaths } from '../../instance/paths.ts'
import { viewInstance } from '../../instance/view.ts'
import type { CommandContext } from '../command.ts'
import { editConfig } from '../edit.ts'
import { jsonLine } from '../render/output.ts'

/** `tcolima edit` */
export async function run(context: CommandContext): Promise<number> {
  await editConfig(context)
  const { home, profile, output } = context
  const runs = viewInstance(home, profile)?.status === 'Running'
  if (output.json) {
    const file = instancePaths(home, profile).config
    jsonLine(output, { type: 'done', time: new Date().toISOString(), file, restart: runs })
  } else output.err(`the settings are saved; they hold from ${runs ? 'a restart' : 'the next start'} on\n`)
  return 0
}
