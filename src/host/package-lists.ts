import type { PackageManager } from './packages.ts'
import type { HostSystem } from './system.ts'

const staleMs = 7 * 24 * 3600 * 1000

/**
 * How old the package manager's lists are. `missing` on a fresh machine or image: nothing can be installed before they
 * are fetched. Always `fresh` for managers that fetch them when needed.
 */
export function listsAge(manager: PackageManager, system: HostSystem): 'fresh' | 'stale' | 'missing' {
  if (manager === 'apt') {
    const newest = system.newestIn('/var/lib/apt/lists', /_Packages(\.\w+)?$/)
    if (newest === undefined) return 'missing'
    return Date.now() - newest > staleMs ? 'stale' : 'fresh'
  }
  // Only when there is none: a fresh list beside old packages is what Arch calls a partial upgrade.
  if (manager === 'pacman') {
    return system.newestIn('/var/lib/pacman/sync', /\.db$/) === undefined ? 'missing' : 'fresh'
  }
  return 'fresh'
}
