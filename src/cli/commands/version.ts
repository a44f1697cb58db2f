import type { CommandContext } from '../command.ts'
import { jsonLine } from '../render/output.ts'
import { version } from '../version.ts'

/** `tcolima version` */
export async function run({ output }: Pick<CommandContext, 'output'>): Promise<number> {
  if (output.json) jsonLine(output, { version: version() })
  else output.out(`tcolima ${version()}\n`)
  return 0
}
