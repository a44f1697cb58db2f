import { existsSync } from 'node:fs'
import { rmdir } from 'node:fs/promises'
import path from 'node:path'
import { leaveServer, serversOf } from '../../agent/join.ts'
import { readWorkers } from '../../agent/workers.ts'
import { externalName } from '../../config/profile.ts'
import { messageOf, TcolimaError } from '../../host/errors.ts'
import { removeSocket } from '../../host/sockets.ts'
import { acquireLock } from '../../host/lock.ts'
import { deleteFiles } from '../../instance/deletion.ts'
import { homePaths, instancePaths, linkSockets } from '../../instance/paths.ts'
import { refuseProtected } from '../../instance/protection.ts'
import { viewInstance } from '../../instance/view.ts'
import { removeCluster } from '../../runtime/kubernetes/kubeconfig.ts'
import { hideInUserConfig } from '../../ssh/user-config.ts'
import { lendAutostart } from '../autostart.ts'
import { type CommandContext, isOn } from '../command.ts'
import { confirm } from '../confirm.ts'
import { withoutInstance } from '../host-clients.ts'
import { kubeconfigInput } from '../kubeconfig.ts'
import { jsonLine, renderWarning } from '../render/output.ts'
import { stopInstance } from './stop.ts'

// Milliseconds: an agent that was told to stop needs a moment to go.
const lockWaitMs = 20_000

/** `tcolima delete` */
export async function run(context: CommandContext): Promise<number> {
  const { home, profile, output, host } = context
  const paths = instancePaths(home, profile)
  const data = isOn(context, 'data')
  const name = externalName(profile)
  // Also what list does not show: a data disk that an earlier delete kept, or what a start left that never came far.
  if (!viewInstance(home, profile) && !existsSync(paths.folder)) {
    throw new TcolimaError('not-found', `there is no machine ${profile}`, { hint: 'See `tcolima list`.' })
  }
  refuseProtected(paths)
  if (!isOn(context, 'force') && !(await allowed(name, data))) {
    output.err('nothing was deleted\n')
    return 1
  }
  const workers = readWorkers(paths.workers) ?? []
  await stopInstance(context, true)
  for (const server of serversOf(home, profile)) {
    const warning = await leaveServer({ home, host }, server, profile, true)
    if (warning !== undefined) renderWarning(output, warning)
  }
  for (const text of await removeCluster(kubeconfigInput(context))) renderWarning(output, text)
  await withoutInstance(context, 'remove')
  const places = { userHome: host.home, folder: homePaths(home).sshLinks }
  await hideInUserConfig(places, name).catch((error: unknown) => {
    renderWarning(output, `~/.ssh/config still includes ${places.folder}: ${messageOf(error)}`)
  })
  const lock = await acquireLock(paths.lock, { purpose: 'delete', waitMs: lockWaitMs })
  try {
    // Under the lock: without, another command would take it for left over and give it back.
    await lendAutostart(context)
    await deleteFiles(paths, data, host)
    // Made by this machine, in the folders of those that were its nodes.
    for (const worker of workers) {
      const socket = path.join(instancePaths(home, worker.name).folder, linkSockets(profile).server)
      await removeSocket(socket, host.platform)
    }
  } finally {
    lock.release()
  }
  // Not empty where the data disk stays.
  await rmdir(paths.folder).catch(() => undefined)
  const kept = existsSync(paths.dataDisk)
  if (output.json) jsonLine(output, { type: 'done', time: new Date().toISOString(), name, dataKept: kept })
  else output.err(`${name} is deleted${kept ? '; its data disk is kept and serves the next start' : ''}\n`)
  return 0
}

async function allowed(name: string, data: boolean): Promise<boolean> {
  if (!process.stdin.isTTY) {
    throw new TcolimaError('usage', 'deleting needs a yes, and there is no terminal to ask', {
      hint: 'Use --force to delete without a question.',
    })
  }
  const what = data
    ? 'the machine, its settings and all its images, containers and volumes'
    : 'the machine and its settings (images, containers and volumes stay on the data disk)'
  return await confirm(`Delete ${name}: ${what}?`)
}
