/** What the guest's mount command needs to know of a mount. */
export interface SshfsMount {
  writable: boolean
  /** The guest user whose the files shall be. */
  uid: number
  gid: number
}

/**
 * The options of the guest's sshfs (3.7.3) for a mount, to be joined with commas behind `-o`; the source is `:/`.
 * sshfs must run as root, since `allow_other` and a foreign uid need it.
 */
export function sshfsOptions({ writable, uid, gid }: SshfsMount): string[] {
  const options = [
    // The SFTP stream is stdin and stdout. Newer versions say `passive`, all know this name.
    'slave',
    // Containers run as any user, and all of them may enter; without it only the user that mounted.
    'allow_other',
    // The guest's kernel checks permission bits. The server acts with the rights of one host user and cannot.
    'default_permissions',
    // Show every file as the guest user's. `idmap=user` would map to the user that runs sshfs, which is root; no map
    // at all would leave the host's ids, and macOS's first user is 501:20, a root host's user 0.
    'idmap=none',
    `uid=${uid}`,
    `gid=${gid}`,
    // The kernel trusts names and attributes for this long before it asks sshfs again; sshfs's own cache comes on top.
    'entry_timeout=0.5',
    'attr_timeout=0.5',
    // Also that a name does not exist: programs look for the same file again and again (an `npm ci` asks a quarter less).
    'negative_timeout=0.5',
    // sshfs's cache (20 s by default) makes `ls -l` one request and not one per file. It counts whole seconds, and
    // what it learns stays until the clock has passed the second of `then + timeout`: 0 means up to one second.
    'dcache_timeout=0',
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
