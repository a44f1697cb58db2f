import { existsSync, readdirSync } from 'node:fs'
import { rm, rmdir } from 'node:fs/promises'
import path from 'node:path'
import { mostMountDevices } from '../../config/mounts.ts'
import { externalName } from '../../config/profile.ts'
import { messageOf, TcolimaError } from '../../host/errors.ts'
import { acquireLock } from '../../host/lock.ts'
import type { Host } from '../../host/platform.ts'
import { removeSocket, socketPath } from '../../host/sockets.ts'
import { homePaths, type InstancePaths, instancePaths } from '../../instance/paths.ts'
import { refuseProtected } from '../../instance/protection.ts'
import { viewInstance } from '../../instance/view.ts'
import { engines } from '../../runtime/engines.ts'
import { removeCluster } from '../../runtime/kubernetes/kubeconfig.ts'
import { hideInUserConfig } from '../../ssh/user-config.ts'
import { disableAutostart } from '../autostart.ts'
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
  const short = shortSockets(paths, host)
  await stopInstance(context, true)
  for (const text of await removeCluster(kubeconfigInput(context))) renderWarning(output, text)
  await withoutInstance(context, 'remove')
  await disableAutostart(context)
  const places = { userHome: host.home, folder: homePaths(home).sshLinks }
  await hideInUserConfig(places, name).catch((error: unknown) => {
    renderWarning(output, `~/.ssh/config still includes ${places.folder}: ${messageOf(error)}`)
  })
  const lock = await acquireLock(paths.lock, { purpose: 'delete', waitMs: lockWaitMs })
  try {
    await removeFiles(paths, data, host.platform)
    // Also where the link that led there is gone already.
    for (const file of short) await rm(file, { force: true })
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

function shortSockets(paths: InstancePaths, host: Host): string[] {
  const ofEngines = Object.values(engines).flatMap(({ sockets }) => sockets.map(({ name }) => name))
  const names = [paths.agentSocketName, 'qmp.sock', 'guest.sock', 'names.sock', ...ofEngines]
  // Any number of them may have been added while it ran.
  const mounts = Array.from({ length: mostMountDevices }, (_, at) => `mount.${at}.sock`)
  return [...names, ...mounts].flatMap((name) => {
    const place = socketPath(paths.folder, name, host.platform, host.uid)
    return place.link === undefined ? [] : [place.path]
  })
}

async function removeFiles(paths: InstancePaths, data: boolean, platform: 'linux' | 'darwin'): Promise<void> {
  // Containers stay on the data disk, and with them who owns what in the host's folders that they have mounted.
  const kept = data || !existsSync(paths.dataDisk) ? [] : [paths.dataDisk, paths.owners]
  const keep = new Set([paths.lock, ...kept].map((file) => path.basename(file)))
  // The record first: an interrupted delete leaves no instance that looks whole.
  await rm(paths.record, { force: true })
  for (const name of readdirSync(paths.folder)) {
    if (keep.has(name)) continue
    const file = path.join(paths.folder, name)
    if (name.endsWith('.sock')) await removeSocket(file, platform)
    else await rm(file, { recursive: true, force: true })
  }
}
