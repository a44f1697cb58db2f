import { readFileSync } from 'node:fs'
import { errnoOf } from '../host/errors.ts'
import type { HostWarning } from './host-watcher.ts'

/** What is asked of the machine when one of its limits is met; a parameter so that tests can be any machine. */
export interface LimitsOf {
  platform: string
  /** The text of a file, undefined if it cannot be read. */
  read(path: string): string | undefined
  /** How many files this process may have open. */
  openFiles(): string
}

const EFFECT = 'changes in some shared folders do not reach watchers in the guest'
const NEEDED_WATCHES = 524_288
const NEEDED_INSTANCES = 1024

/** This machine. */
export const thisMachine: LimitsOf = {
  platform: process.platform,
  read(path) {
    try {
      return readFileSync(path, 'utf8').trim()
    } catch {
      return undefined
    }
  },
  openFiles() {
    const report: { userLimits?: { open_files?: { soft?: number | string } } } = process.report.getReport()
    return String(report.userLimits?.open_files?.soft ?? 'unknown')
  },
}

/** Takes what a watch failed with; gives the warning if a limit of the host was met, else undefined. */
export function limitWarning(thrown: unknown, machine: LimitsOf): HostWarning | undefined {
  const errno = errnoOf(thrown)
  if (errno !== 'ENOSPC' && errno !== 'EMFILE' && errno !== 'ENFILE') return undefined
  if (machine.platform === 'linux') {
    const setting = errno === 'ENOSPC' ? 'max_user_watches' : 'max_user_instances'
    // When it is open files that are lacking, this one cannot be opened either.
    const value = machine.read(`/proc/sys/fs/inotify/${setting}`)
    if (value !== undefined) return inotifyWarning(setting, Number(value))
  }
  return {
    text: `The host's limit of open files is met (${machine.openFiles()}): ${EFFECT}`,
    hint:
      machine.platform === 'darwin'
        ? 'Raise it with `sudo launchctl limit maxfiles 65536 524288`, then start the instance again from a new terminal.'
        : 'Raise it with `ulimit -n 65536`, then start the instance again from the same shell.',
  }
}

function inotifyWarning(setting: 'max_user_watches' | 'max_user_instances', value: number): HostWarning {
  const needed = setting === 'max_user_watches' ? NEEDED_WATCHES : NEEDED_INSTANCES
  const raised = `fs.inotify.${setting}=${Math.max(needed, value * 2)}`
  return {
    text: `The host's limit fs.inotify.${setting} (${value}) is met: ${EFFECT}`,
    hint: `Raise it with \`sudo sysctl ${raised}\`; to keep it, put that setting into /etc/sysctl.d/60-inotify.conf.`,
  }
}
