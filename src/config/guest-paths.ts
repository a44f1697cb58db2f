/** Folders that stop the guest when something else takes their place, with all that lies in them. */
const systemTrees = [
  '/bin',
  '/boot',
  '/dev',
  '/etc',
  '/lib',
  '/lib32',
  '/lib64',
  '/libx32',
  '/mnt/tcolima-data',
  '/proc',
  '/run',
  '/sbin',
  '/sys',
  '/usr',
  '/var/lib/apt',
  '/var/lib/buildkit',
  '/var/lib/containerd',
  '/var/lib/containers',
  '/var/lib/docker',
  '/var/lib/dpkg',
  '/var/lib/nerdctl',
  '/var/lib/systemd',
  '/var/run',
]

/** Parts of those trees where the distribution puts nothing that must be there. */
const freeTrees = ['/usr/local', '/usr/src']

/**
 * Folders the guest needs itself, while a folder in them may be mounted: macOS keeps temporary folders in /var/folders,
 * and service users have their home in /var/lib. /root is left out: it is the home, thus the default mount, of a host's root.
 */
const systemFolders = new Set([
  '/',
  '/home',
  '/tmp',
  '/var',
  '/var/cache',
  '/var/lib',
  '/var/log',
  '/var/tmp',
  ...freeTrees,
])

/** The home of the guest's user: sshd looks there for the keys that may log in. */
const guestHome = /^\/home\/[^/]+\.linux(?:\/\.ssh)?$/

/** Takes an absolute, normal path; says whether a mount there would hide files the guest itself needs. */
export function isSystemPath(target: string): boolean {
  if (systemFolders.has(target) || guestHome.test(target)) return true
  if (freeTrees.some((tree) => isWithin(target, tree))) return false
  return systemTrees.some((tree) => isWithin(target, tree))
}

function isWithin(target: string, tree: string): boolean {
  return target === tree || target.startsWith(`${tree}/`)
}
