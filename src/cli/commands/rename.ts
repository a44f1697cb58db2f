import { readdirSync, renameSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import path from 'node:path'
import { isThere, readWorkers } from '../../agent/workers.ts'
import { externalName } from '../../config/profile.ts'
import { messageOf } from '../../host/errors.ts'
import { removeSocket } from '../../host/sockets.ts'
import { keptNode, refuseTaken } from '../../instance/clone.ts'
import { homePaths, instancePaths } from '../../instance/paths.ts'
import { writeRecord } from '../../instance/record.ts'
import { viewInstance } from '../../instance/view.ts'
import { removeCluster } from '../../runtime/kubernetes/kubeconfig.ts'
import { hideInUserConfig } from '../../ssh/user-config.ts'
import { lendAutostart, returnAutostart } from '../autostart.ts'
import type { CommandContext } from '../command.ts'
import { withoutInstance } from '../host-clients.ts'
import { kubeconfigInput } from '../kubeconfig.ts'
import { jsonLine, renderWarning } from '../render/output.ts'
import { whileStopped } from '../stopped.ts'
import { twoProfiles } from './clone.ts'

/** `tcolima rename` */
export async function run(context: CommandContext): Promise<number> {
  const [source, target] = twoProfiles(context)
  const { home, host, output } = context
  const to = instancePaths(home, target)
  await refuseTaken(to, host)
  await whileStopped({ home, profile: source }, 'rename', async (paths) => {
    // What bears the old name goes first, and comes again with the next start: only the last step makes the new name.
    const old = { ...context, profile: source }
    for (const text of await removeCluster(kubeconfigInput(old))) renderWarning(output, text)
    await withoutInstance(old, 'remove')
    const places = { userHome: host.home, folder: homePaths(home).sshLinks }
    await hideInUserConfig(places, externalName(source)).catch((error: unknown) => {
      renderWarning(output, `~/.ssh/config still includes ${places.folder}: ${messageOf(error)}`)
    })
    for (const name of readdirSync(paths.folder)) {
      if (name.endsWith('.sock')) await removeSocket(path.join(paths.folder, name), host.platform)
    }
    // One that cannot be read is left as it is.
    const record = viewInstance(home, source)?.record
    const kept = record ? keptNode(paths, record) : {}
    if (record && kept.node !== record.node) await writeRecord(paths.record, { ...record, ...kept })
    await lendAutostart(old)
    await refuseTaken(to, host)
    renameSync(paths.folder, to.folder)
    // It came along, and is ours.
    await rm(to.lock, { force: true })
  })
  await returnAutostart({ ...context, profile: target }).catch((error: unknown) => {
    renderWarning(output, `it no longer starts by itself: ${messageOf(error)}`)
  })
  const workers = readWorkers(to.workers)?.filter((worker) => isThere(home, worker)) ?? []
  for (const worker of workers) {
    renderWarning(
      output,
      `${worker.name} still joins ${source}; have it join ${target}: tcolima start ${worker.name} --kubernetes-join ${target}`,
    )
  }
  const name = externalName(target)
  if (output.json) jsonLine(output, { type: 'done', time: new Date().toISOString(), name })
  else
    output.err(`${externalName(source)} is ${name} now; its contexts and ssh name come with the next start\n`)
  return 0
}
