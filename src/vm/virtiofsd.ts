import { TcolimaError } from '../host/errors.ts'
import { run as runProgram } from '../host/run.ts'

/** A virtiofsd on this host: QEMU's former one, written in C, or the one in Rust that took its place. */
export interface Virtiofsd {
  program: string
  kind: 'c' | 'rust'
  /** It can refuse writing by itself. */
  readonly: boolean
  /** It can show files as another user's. */
  translates: boolean
}

/** One folder for one daemon. */
export interface VirtiofsdShare {
  folder: string
  writable: boolean
  /** Where it listens for QEMU. */
  socket: string
  /** Whose the guest shall think the files to be, and who they shall be of on the host; group and user alike. */
  guestUid: number
  host: { uid: number; gid: number }
}

/** Asks the daemon at a path what it is, by its help. Throws what `run` throws when it does not start. */
export async function inspectVirtiofsd(program: string, run = runProgram): Promise<Virtiofsd> {
  const { stdout, stderr } = await run(program, ['--help'], { timeoutMs: 20_000, allow: 'any' })
  const help = stdout + stderr
  return {
    program,
    kind: help.includes('--shared-dir') ? 'rust' : 'c',
    readonly: /^\s*--readonly\b/m.test(help),
    translates: help.includes('--translate-uid'),
  }
}

/** Why this daemon cannot do what is wanted of it, for this user. Pure. */
export function virtiofsdObstacle(daemon: Virtiofsd, uid: number): TcolimaError | undefined {
  if (uid === 0) return undefined
  // It makes its sandbox without a user namespace.
  if (daemon.kind === 'c') return refusal(`${daemon.program} is QEMU's former one, which only root can run`)
  // Without it a user's daemon can only make files of its own user, and fails for every other user of the guest.
  if (!daemon.translates) return refusal(`${daemon.program} is too old to serve a user that is not root`)
  return undefined
}

function refusal(reason: string): TcolimaError {
  return new TcolimaError('host', `the mount type virtiofs does not work here: ${reason}`, {
    hint: 'Install virtiofsd 1.13 or newer, or use --mount-type sshfs.',
  })
}

/** The command that serves a share. Pure. Sources: `--help` of both, README of virtiofsd. */
export function virtiofsdCommand(daemon: Virtiofsd, share: VirtiofsdShare): string[] {
  const command = daemon.kind === 'c' ? commandOfC(daemon, share) : commandOfRust(daemon, share)
  return share.writable || daemon.readonly ? command : onReadOnlyMount(share.folder, command)
}

function commandOfC({ program }: Virtiofsd, { socket, folder }: VirtiofsdShare): string[] {
  // Names and attributes are trusted for a second, as over sshfs; no device nodes are made for the guest. A comma or
  // backslash would end the value.
  const source = folder.replaceAll(/[\\,]/g, String.raw`\$&`)
  return [
    program,
    `--socket-path=${socket}`,
    '-o',
    `source=${source},cache=auto,sandbox=namespace,modcaps=-mknod`,
  ]
}

function commandOfRust(daemon: Virtiofsd, share: VirtiofsdShare): string[] {
  const { socket, folder, guestUid, host } = share
  const everyId = 2 ** 32 - 1
  return [
    daemon.program,
    `--socket-path=${socket}`,
    `--shared-dir=${folder}`,
    '--cache=auto',
    '--sandbox=namespace',
    '--modcaps=-mknod',
    ...(share.writable ? [] : daemon.readonly ? ['--readonly'] : []),
    // As over sshfs: all files are the guest user's as the guest sees them, and the host user's as the host does.
    ...(daemon.translates
      ? [
          `--translate-uid=squash-guest:0:${host.uid}:${everyId}`,
          `--translate-uid=squash-host:0:${guestUid}:${everyId}`,
          `--translate-gid=squash-guest:0:${host.gid}:${everyId}`,
          `--translate-gid=squash-host:0:${guestUid}:${everyId}`,
        ]
      : []),
  ]
}

/**
 * Runs a daemon that knows no read-only shares in a mount namespace of its own, where the folder is mounted read-only
 * over itself: then the kernel refuses, and the daemon gives up the right to change mounts before it serves. File systems
 * mounted below the folder are not seen there; they would not be read-only. Needs root.
 */
function onReadOnlyMount(folder: string, command: string[]): string[] {
  const script = 'mount --bind -o ro -- "$1" "$1" && shift && exec "$@"'
  return [
    'unshare',
    '--mount',
    '--propagation',
    'private',
    '--',
    'sh',
    '-c',
    script,
    'sh',
    folder,
    ...command,
  ]
}
