import type { PackageManager } from './packages.ts'
import { commandLine } from './run.ts'

/** With what rights, and for whom, an install command is made. */
export interface CommandStyle {
  root: boolean
  /** How to become root: `ask` lets sudo ask for a password, `never-ask` makes it fail instead. */
  sudo: 'ask' | 'never-ask'
  /** For a user to read and type: without what only matters when nobody watches. */
  plain?: boolean
}

// Another apt (unattended upgrades of a fresh machine) may hold the lock for a while.
const aptLockWait = ['-o', 'DPkg::Lock::Timeout=120']

/** The command that installs packages. */
export function installCommand(manager: PackageManager, packages: string[], style: CommandStyle): string[] {
  switch (manager) {
    case 'apt':
      // Recommended packages of QEMU alone are a desktop.
      return apt(['install', '-y', '--no-install-recommends'], packages, style)
    case 'dnf':
      return asRoot(['dnf', 'install', '-y', '--setopt=install_weak_deps=False', ...packages], style)
    case 'pacman':
      return asRoot(['pacman', '-S', '--needed', '--noconfirm', ...packages], style)
    case 'brew':
      // Refuses to run as root.
      return ['brew', 'install', ...packages]
  }
}

/** The command that fetches the lists of packages, for those managers that do not do it themselves. */
export function updateCommand(manager: PackageManager, style: CommandStyle): string[] | undefined {
  if (manager === 'apt') return apt(['update'], [], style)
  if (manager === 'pacman') return asRoot(['pacman', '-Sy', '--noconfirm'], style)
  return undefined
}

/** One line for the user to type that does both. */
export function typedCommand(
  manager: PackageManager,
  packages: string[],
  options: { root: boolean; update: boolean },
): string {
  const style: CommandStyle = { root: options.root, sudo: 'ask', plain: true }
  const update = options.update ? updateCommand(manager, style) : undefined
  const commands = [...(update ? [update] : []), installCommand(manager, packages, style)]
  return commands.map(([cmd = '', ...args]) => commandLine(cmd, args)).join(' && ')
}

/**
 * The commands around an installation of Debian's docker.io that keep its daemon from running: only the client is
 * wanted, and a second engine would also change the host's firewall. The mask lies in /run and ends with `after`.
 */
export function withoutDockerDaemon(style: CommandStyle): { before: string[][]; after: string[][] } {
  const units = ['docker.service', 'docker.socket']
  return {
    before: [asRoot(['systemctl', 'mask', '--runtime', ...units], style)],
    // In this order: systemctl does not disable what is masked.
    after: [
      asRoot(['systemctl', 'unmask', '--runtime', ...units], style),
      asRoot(['systemctl', 'disable', ...units], style),
    ],
  }
}

function apt(command: string[], packages: string[], style: CommandStyle): string[] {
  if (style.plain) return asRoot(['apt-get', ...command, ...packages], style)
  // `env`, because sudo does not pass variables on. Nobody answers the questions of package scripts.
  const quiet = ['env', 'DEBIAN_FRONTEND=noninteractive', 'NEEDRESTART_SUSPEND=1']
  return asRoot([...quiet, 'apt-get', ...aptLockWait, ...command, ...packages], style)
}

function asRoot(command: string[], style: CommandStyle): string[] {
  if (style.root) return command
  return style.sudo === 'ask' ? ['sudo', ...command] : ['sudo', '-n', ...command]
}
