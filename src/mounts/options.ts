/** What the guest's mount command needs to know of a mount. */
export interface GuestMount {
  writable: boolean
}

/** The options the guest mounts with, by type, to be joined with commas behind `-o`. */
export function mountOptions(type: 'sshfs' | '9p' | 'virtiofs', mount: GuestMount): string[] {
  switch (type) {
    case 'sshfs':
      return sshfsOptions(mount)
    case '9p':
      return ninepOptions(mount)
    case 'virtiofs':
      // virtiofsd decides on the cache; owners are the daemon's to translate.
      return [mount.writable ? 'rw' : 'ro']
  }
}

/** The options of the kernel's 9p (Linux, Documentation/filesystems/9p.rst). */
function ninepOptions({ writable }: GuestMount): string[] {
  return [
    'trans=virtio',
    // What QEMU speaks, with all of Linux's file attributes.
    'version=9p2000.L',
    // Bytes a message: the most that the transport's 128 pages hold are 512000; a buffer is one piece of the guest's
    // memory, and a quarter of that is found in a busy guest too.
    'msize=131072',
    // Nothing is kept, so that edits of the host are seen at once, but for what shared writable maps need (SQLite).
    'cache=mmap',
    writable ? 'rw' : 'ro',
  ]
}

/**
 * The options of the guest's sshfs (3.7.3) for a mount, to be joined with commas behind `-o`; the source is `:/`.
 * sshfs must run as root, since `allow_other` needs it. `ro` is for the place that users see: the file system itself
 * stays writable, since the guest's kernel would refuse the replay of a host's change too.
 */
export function sshfsOptions({ writable }: GuestMount): string[] {
  const options = [
    // The SFTP stream is stdin and stdout. Newer versions say `passive`, all know this name.
    'slave',
    // Containers run as any user, and all of them may enter; without it only the user that mounted.
    'allow_other',
    // The guest's kernel checks permission bits. The server acts with the rights of one host user and cannot.
    'default_permissions',
    // The server gives the owners as the guest shall see them (`Owners`), and takes them so.
    'idmap=none',
    // The kernel trusts names and attributes for this long before it asks sshfs again; sshfs's own cache comes on top.
    'entry_timeout=0.5',
    'attr_timeout=0.5',
    // Also that a name does not exist: programs look for the same file again and again (an `npm ci` asks a quarter less).
    'negative_timeout=0.5',
    // sshfs's own cache would answer with what it learnt before the hints of our server came, and keep it a second longer.
    // The kernel gets all attributes with a listing (sshfs-link/operations.c).
    'dir_cache=no',
    // 64 KiB per READ and WRITE, the most sshfs takes (default 32): half the messages through the serial port.
    'max_read=65536',
    'max_write=65536',
    writable ? 'rw' : 'ro',
  ]
  // Not here: `kernel_cache` and `auto_cache` (host edits unseen: times are whole seconds), `reconnect` and
  // `max_conns` (both need a command that makes a new connection), `big_writes` (gone since FUSE 3: always on).
  // Nor `no_contain_symlinks`, which only some builds know: the guest adds it (guest/customize.sh).
  return options
}
