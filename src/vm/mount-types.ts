import { TcolimaError } from '../host/errors.ts'
import { run as runProgram } from '../host/run.ts'
import { inspectVirtiofsd, type Virtiofsd, virtiofsdObstacle } from './virtiofsd.ts'

/** What decides whether a mount type works on a host. */
export interface MountTypeInput {
  type: 'sshfs' | '9p' | 'virtiofs'
  host: { platform: 'linux' | 'darwin'; uid: number }
  /** The program that runs the machine. */
  qemu: string
  /** The full path of a program, or undefined. */
  which: (program: string) => string | undefined
  run?: typeof runProgram
}

// QEMU can be built without either.
const devices = { '9p': 'virtio-9p-pci', virtiofs: 'vhost-user-fs-pci' }

/**
 * Looks whether a mount type works here; gives the daemon it takes, if any. Throws `host` with the reason and what to do.
 */
export async function requireMountType(input: MountTypeInput): Promise<Virtiofsd | undefined> {
  const { type, host, qemu, which, run = runProgram } = input
  if (type === 'sshfs') return undefined
  refuseByPlatform(type, host.platform)
  const { stdout } = await run(qemu, ['-device', 'help'], { timeoutMs: 20_000 })
  if (!stdout.includes(`name "${devices[type]}"`)) {
    throw refusal(type, `${qemu} was built without the device ${devices[type]}`)
  }
  if (type === '9p') return undefined
  const program = which('virtiofsd')
  if (program === undefined) throw refusal(type, 'virtiofsd is not installed')
  const daemon = await inspectVirtiofsd(program, run)
  const obstacle = virtiofsdObstacle(daemon, host.uid)
  if (obstacle) throw obstacle
  return daemon
}

/** Throws `host` for a mount type that no host of this platform has; asks nothing else. */
export function refuseByPlatform(type: MountTypeInput['type'], platform: 'linux' | 'darwin'): void {
  // vhost-user needs memory that is shared by file descriptor (memfd), and the daemon is written for Linux.
  if (type === 'virtiofs' && platform === 'darwin') throw refusal(type, 'virtiofsd runs on Linux hosts only')
}

function refusal(type: string, reason: string): TcolimaError {
  return new TcolimaError('host', `the mount type ${type} does not work here: ${reason}`, {
    hint: 'Use --mount-type sshfs.',
  })
}
