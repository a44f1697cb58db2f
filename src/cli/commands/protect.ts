import type { CommandContext } from '../command.ts'
import { protect } from '../protect.ts'

/** `tcolima protect` */
export async function run(context: CommandContext): Promise<number> {
  return await protect(context, true)
}
