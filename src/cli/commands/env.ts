import path from 'node:path'
import { TcolimaError } from '../../host/errors.ts'
import { connectablePath } from '../../host/sockets.ts'
import { instancePaths } from '../../instance/paths.ts'
import { type CommandContext, isOn, textOf } from '../command.ts'
import { jsonLine } from '../render/output.ts'
import { requireRunning } from '../running.ts'
import { variableLines } from '../shell-variables.ts'
import { isShell, type Shell, shells } from '../shells.ts'

/** `tcolima env` */
export async function run(context: CommandContext): Promise<number> {
  const { host, output, profile } = context
  const shell = wantedShell(context)
  const unset = isOn(context, 'unset')
  if (!unset) requireRunning(context)
  const variables: Record<string, string | undefined> = {
    DOCKER_HOST: unset ? undefined : `unix://${dockerSocket(context)}`,
    // The docker client would take the context before the socket.
    ...(host.env.DOCKER_CONTEXT && !unset ? { DOCKER_CONTEXT: undefined } : {}),
  }
  if (output.json) jsonLine(output, variables)
  else output.out(variableLines(shell, variables, ['env', ...(profile === 'default' ? [] : [profile])]))
  return 0
}

function dockerSocket({ home, profile, host }: CommandContext): string {
  return connectablePath(path.join(instancePaths(home, profile).folder, 'docker.sock'), host.platform)
}

function wantedShell(context: CommandContext): Shell {
  const wanted = textOf(context, 'shell')
  if (wanted !== undefined && !isShell(wanted) && wanted !== 'sh') {
    throw new TcolimaError('usage', `--shell takes ${shells.join(', ')}, not ${JSON.stringify(wanted)}`)
  }
  const name = wanted ?? path.basename(context.host.env.SHELL ?? '')
  return isShell(name) ? name : 'bash'
}
