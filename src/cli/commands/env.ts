import path from 'node:path'
import { externalName } from '../../config/profile.ts'
import { TcolimaError } from '../../host/errors.ts'
import { connectablePath } from '../../host/sockets.ts'
import { instancePaths } from '../../instance/paths.ts'
import { readRecord } from '../../instance/record.ts'
import { engineNamed } from '../../runtime/engines.ts'
import { type CommandContext, isOn, textOf } from '../command.ts'
import { jsonLine } from '../render/output.ts'
import { requireRunning } from '../running.ts'
import { variableLines } from '../shell-variables.ts'
import { isShell, type Shell, shells } from '../shells.ts'

/** `tcolima env` */
export async function run(context: CommandContext): Promise<number> {
  const { output, profile } = context
  const shell = wantedShell(context)
  const unset = isOn(context, 'unset')
  if (!unset) requireRunning(context)
  const variables = variablesOf(context, unset)
  if (output.json) jsonLine(output, variables)
  else output.out(variableLines(shell, variables, ['env', ...(profile === 'default' ? [] : [profile])]))
  return 0
}

/** What the engine's clients read; undefined takes it away. Throws `config` for a machine without an engine. */
function variablesOf(context: CommandContext, unset: boolean): Record<string, string | undefined> {
  const { home, profile, host } = context
  const paths = instancePaths(home, profile)
  const runtime = readRecord(paths.record)?.runtime ?? 'docker'
  const [socket] = engineNamed(runtime).sockets
  if (!socket) {
    throw new TcolimaError(
      'config',
      `${externalName(profile)} has no engine that a shell could be pointed at`,
    )
  }
  const file = connectablePath(path.join(paths.folder, socket.name), host.platform)
  const values: Record<string, string> =
    runtime === 'containerd'
      ? { CONTAINERD_ADDRESS: file }
      : {
          DOCKER_HOST: `unix://${file}`,
          ...(runtime === 'podman' ? { CONTAINER_HOST: `unix://${file}` } : {}),
        }
  if (unset) return Object.fromEntries(Object.keys(values).map((name) => [name, undefined]))
  // The docker client would take the context before the socket.
  return values.DOCKER_HOST && host.env.DOCKER_CONTEXT ? { ...values, DOCKER_CONTEXT: undefined } : values
}

function wantedShell(context: CommandContext): Shell {
  const wanted = textOf(context, 'shell')
  if (wanted !== undefined && !isShell(wanted) && wanted !== 'sh') {
    throw new TcolimaError('usage', `--shell takes ${shells.join(', ')}, not ${JSON.stringify(wanted)}`)
  }
  const name = wanted ?? path.basename(context.host.env.SHELL ?? '')
  return isShell(name) ? name : 'bash'
}
