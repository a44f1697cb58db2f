// File systems of proc(5)'s mountinfo that answer from memory or a disk of this host, never over a network.
const localTypes = new Set(
  'bcachefs btrfs erofs exfat ext2 ext3 ext4 f2fs ntfs3 overlay ramfs squashfs tmpfs vfat xfs zfs'.split(' '),
)

/**
 * Whether a folder and everything mounted below it is on file systems of this host, by the text of
 * /proc/self/mountinfo. The folder is a real path; both are byte strings.
 */
export function isLocalFolder(folder: string, mountinfo: string): boolean {
  const wanted = folder.replace(
    /[ \t\n\\]/g,
    (char) => `\\${char.charCodeAt(0).toString(8).padStart(3, '0')}`,
  )
  let own: { point: string; type: string } | undefined
  for (const line of mountinfo.split('\n')) {
    const [mount = '', source = ''] = line.split(' - ')
    const point = mount.split(' ')[4]
    const type = source.split(' ')[0] ?? ''
    if (point === undefined) continue
    if (isBelow(point, wanted) && !localTypes.has(type)) return false
    // Of several at one place the last one counts.
    const around = point === wanted || isBelow(wanted, point)
    if (around && point.length >= (own?.point.length ?? 0)) own = { point, type }
  }
  return own !== undefined && localTypes.has(own.type)
}

function isBelow(path: string, folder: string): boolean {
  return path !== folder && path.startsWith(folder === '/' ? '/' : `${folder}/`)
}
