import { type Check, ok } from './check.ts'
import { messageOf, TcolimaError } from './errors.ts'
import type { Host } from './platform.ts'
import type { HostSystem } from './system.ts'

// As many as an ordinary system has users; mmdebstrap wants that many.
const wantedIds = 65_536

/**
 * Whether a user without root can build the guest image on Linux: ranges of subordinate ids and user namespaces.
 * Gives nothing for root and on macOS, which need neither.
 */
export async function checkUserNamespaces(
  host: Host,
  system: HostSystem,
  signal?: AbortSignal,
): Promise<Check[]> {
  if (host.platform !== 'linux' || host.uid === 0) return []
  const ids = checkSubordinateIds(host, system)
  // Without the two, trying only repeats what other checks say.
  if (ids.status !== 'ok' || system.which('newuidmap') === undefined) return [ids]
  return [ids, await tryNamespace(system, signal)]
}

function checkSubordinateIds(host: Host, system: HostSystem): Check {
  const name = 'subordinate ids'
  const lacking = ['/etc/subuid', '/etc/subgid'].filter(
    (file) => !hasRange(system.readFile(file) ?? '', host),
  )
  if (lacking.length === 0) return ok(name, `/etc/subuid and /etc/subgid have a range for ${host.user}`)
  return {
    name,
    status: 'error',
    detail: `${lacking.join(' and ')} ${lacking.length === 1 ? 'has' : 'have'} no range of ${wantedIds} for ${host.user}`,
    fix: `sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ${host.user}`,
  }
}

function hasRange(text: string, host: Host): boolean {
  return text.split('\n').some((line) => {
    const [owner, , count] = line.split(':')
    return (owner === host.user || owner === String(host.uid)) && Number(count) >= wantedIds
  })
}

async function tryNamespace(system: HostSystem, signal?: AbortSignal): Promise<Check> {
  const name = 'user namespaces'
  try {
    await system.run('unshare', ['--map-auto', '--map-root-user', 'true'], { signal, timeoutMs: 10_000 })
    return ok(name, 'work without root')
  } catch (error) {
    if (error instanceof TcolimaError && error.code === 'cancelled') throw error
    return { name, status: 'error', ...blockedBy(system, messageOf(error)) }
  }
}

function blockedBy(system: HostSystem, message: string): { detail: string; fix: string } {
  const value = (file: string) => system.readFile(file)?.trim()
  if (value('/proc/sys/kernel/unprivileged_userns_clone') === '0') {
    return {
      detail: 'switched off: /proc/sys/kernel/unprivileged_userns_clone is 0',
      fix: 'sudo sysctl -w kernel.unprivileged_userns_clone=1 (to keep it: a file in /etc/sysctl.d)',
    }
  }
  if (value('/proc/sys/kernel/apparmor_restrict_unprivileged_userns') === '1') {
    return {
      detail: 'restricted by AppArmor: kernel.apparmor_restrict_unprivileged_userns is 1',
      fix: 'sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0 (to keep it: a file in /etc/sysctl.d)',
    }
  }
  if (value('/proc/sys/user/max_user_namespaces') === '0') {
    return {
      detail: 'switched off: /proc/sys/user/max_user_namespaces is 0',
      fix: 'sudo sysctl -w user.max_user_namespaces=10000 (to keep it: a file in /etc/sysctl.d)',
    }
  }
  return {
    detail: `do not work: ${message.split('\n').join(' ')}`,
    fix:
      'see kernel.unprivileged_userns_clone and kernel.apparmor_restrict_unprivileged_userns (sysctl), ' +
      'that unshare is of util-linux 2.38 or newer, and, in a container, that it may make user namespaces',
  }
}
