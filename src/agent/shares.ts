import { mountPorts } from '../config/mounts.ts'
import type { Config } from '../config/schema.ts'
import { TcolimaError } from '../host/errors.ts'
import { ensureDir } from '../host/files.ts'
import { prepareSocketPath, removeSocket } from '../host/sockets.ts'
import { type DaemonSpec, endDaemons, startDaemons } from '../vm/daemons.ts'
import { makeWindow } from '../mounts/window.ts'
import type { MountDevices } from '../vm/mount-devices.ts'
import { virtiofsdCommand } from '../vm/virtiofsd.ts'
import type { AgentContext } from './context.ts'
import type { Prepared } from './prepare.ts'

/**
 * What the machine's mounts are made from. With virtiofs a daemon is started for each; they are written down for
 * `endDaemons`, which the caller calls when it goes no further. Throws like `startDaemons`.
 */
export async function shareFolders(
  context: AgentContext,
  prepared: Prepared,
  config: Config,
  signal: AbortSignal,
): Promise<MountDevices> {
  const { paths, host } = context
  const { mounts, mountType } = config
  // Whoever was killed between its daemons and its QEMU left them waiting.
  await endDaemons(paths.daemons)
  await ensureDir(paths.folder)
  const place = async (index: number) =>
    (await prepareSocketPath(paths.folder, `mount.${index}.sock`, host)).path
  switch (mountType) {
    case 'sshfs': {
      // The rest go over SSH.
      const ported = mounts.slice(0, mountPorts)
      makeWindow(paths.window)
      const sockets = await Promise.all(ported.map((_mount, index) => place(index)))
      return { type: 'sshfs', sockets, window: paths.window }
    }
    case '9p':
      return {
        type: '9p',
        folders: mounts.map(({ location, writable }) => ({
          path: location,
          writable,
          root: host.uid === 0,
        })),
      }
    case 'virtiofs': {
      const { virtiofsd, record } = prepared
      if (virtiofsd === undefined) throw new TcolimaError('host', 'virtiofsd is not installed')
      const specs: DaemonSpec[] = []
      for (const [index, { location, writable }] of mounts.entries()) {
        const socket = await place(index)
        // The daemon does not bind over one that was left.
        await removeSocket(socket, host.platform)
        const share = { folder: location, writable, socket, guestUid: record.user.uid, host }
        const log = `${paths.folder}/virtiofsd.${index}.log`
        specs.push({ command: virtiofsdCommand(virtiofsd, share), socket, log })
      }
      await startDaemons(specs, paths.daemons, signal)
      return { type: 'virtiofs', sockets: specs.map(({ socket }) => socket) }
    }
  }
}
