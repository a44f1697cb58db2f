import { constants } from 'node:os'
import type { ExecParams } from '../agent/api.ts'
import { openExec } from '../agent/client.ts'
import { ensureAgent } from '../agent/spawn.ts'
import { instancePaths } from '../instance/paths.ts'
import type { CommandContext } from './command.ts'
import { attachExec } from './exec.ts'
import { workingFolder } from './flags.ts'

/**
 * Runs a command in the guest with this process's standard streams, a login shell where `command` is empty, with a terminal
 * when `wanted`. Gives its exit code, 128 and the number for a signal.
 */
export async function runInGuest(
  { home, profile, host }: CommandContext,
  command: string[],
  wanted: boolean,
): Promise<number> {
  const params: ExecParams = {
    command,
    cwd: workingFolder(),
    env: passedOn(host.env),
    ...(wanted
      ? {
          terminal: {
            term: host.env.TERM ?? 'xterm-256color',
            rows: process.stdout.rows ?? 24,
            columns: process.stdout.columns ?? 80,
          },
        }
      : {}),
  }
  const socket = await ensureAgent(home, instancePaths(home, profile), host)
  const end = await attachExec(await openExec(socket, params), wanted && process.stdin.isTTY)
  if ('code' in end) return end.code
  const number = constants.signals[`SIG${end.signal}` as NodeJS.Signals] ?? 0
  return 128 + number
}

/** The variables sshd takes (AcceptEnv of the guest): what programs need to write the user's language. */
function passedOn(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) =>
      value !== undefined && /^(LANG|LC_\w+|COLORTERM)$/.test(name) ? [[name, value]] : [],
    ),
  )
}
