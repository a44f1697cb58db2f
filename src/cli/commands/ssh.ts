import { type CommandContext, isOn } from '../command.ts'
import { runInGuest } from '../guest-command.ts'
import { requireRunning } from '../running.ts'

/** `tcolima ssh`: gives the exit code of the command. */
export async function run(context: CommandContext): Promise<number> {
  requireRunning(context)
  const { rest } = context
  const terminal = process.stdin.isTTY && process.stdout.isTTY
  return await runInGuest(context, rest, isOn(context, 'tty') || (rest.length === 0 && terminal))
}
