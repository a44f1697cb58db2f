/**
 * Numbers of SFTP version 3: draft-ietf-secsh-filexfer-02 (sections given beside each group), and the extensions
 * that OpenSSH describes in its PROTOCOL file, section 4.
 */

/** The one protocol version spoken (section 4). */
export const VERSION = 3

/** Packet types (section 3). */
export const Fxp = {
  INIT: 1,
  VERSION: 2,
  OPEN: 3,
  CLOSE: 4,
  READ: 5,
  WRITE: 6,
  LSTAT: 7,
  FSTAT: 8,
  SETSTAT: 9,
  FSETSTAT: 10,
  OPENDIR: 11,
  READDIR: 12,
  REMOVE: 13,
  MKDIR: 14,
  RMDIR: 15,
  REALPATH: 16,
  STAT: 17,
  RENAME: 18,
  READLINK: 19,
  SYMLINK: 20,
  STATUS: 101,
  HANDLE: 102,
  DATA: 103,
  NAME: 104,
  ATTRS: 105,
  EXTENDED: 200,
  EXTENDED_REPLY: 201,
} as const

/** Status codes (section 7). */
export const Fx = {
  OK: 0,
  EOF: 1,
  NO_SUCH_FILE: 2,
  PERMISSION_DENIED: 3,
  FAILURE: 4,
  BAD_MESSAGE: 5,
  /** A client's own; from our server: too many files are open (see guest/…/sshfs-link/errors.c). */
  NO_CONNECTION: 6,
  /** A client's own; from our server: no space is left. */
  CONNECTION_LOST: 7,
  OP_UNSUPPORTED: 8,
} as const

/** Flags of SSH_FXP_OPEN (section 6.3). */
export const Fxf = { READ: 1, WRITE: 2, APPEND: 4, CREAT: 8, TRUNC: 16, EXCL: 32 } as const

/** Which fields of a file's attributes are there (section 5). */
export const AttrFlag = { SIZE: 1, UIDGID: 2, PERMISSIONS: 4, ACMODTIME: 8, EXTENDED: 0x80000000 } as const

/** Extensions offered in SSH_FXP_VERSION, with the versions OpenSSH gives them (PROTOCOL, section 4). */
export const EXTENSIONS = [
  ['posix-rename@openssh.com', '1'],
  ['statvfs@openssh.com', '2'],
  ['fstatvfs@openssh.com', '2'],
  ['hardlink@openssh.com', '1'],
  ['fsync@openssh.com', '1'],
] as const

/**
 * Our own extension of SSH_FXP_INIT and SSH_FXP_VERSION, between the server and guest/…/sshfs-link. In INIT its data is
 * a nonce of 16 bytes, flags (1: the client goes on where it was, else it is new; 2: it takes hints; 4: it has the window), and the count of
 * requests that it sends again (both 32 bits); in VERSION, the same nonce, and it comes first.
 */
export const RESUME = 'resume@tcolima'

/**
 * A packet type of our own, from the server to a client that takes hints: type, the id of the request it comes with, then
 * for each hint three strings: the path it is about, a request without its id, and the reply to it without an id. Of an
 * LSTAT the request is its type alone. OPENDIR's type alone has all names of the folder as its reply: NAME's type, and strings.
 * Without any hint: forget all of them. See guest/…/sshfs-link/hints.c.
 */
export const HINTS = 240

/**
 * In VERSION, behind RESUME, for a client that has the window (`Window`): which slots of it are for this mount, first and
 * count (both 32 bits). Then there are two requests more, of SSH_FXP_EXTENDED: both have a handle, an offset (64 bits), a count
 * of bytes and the first slot (32 bits each) of those where the data stands, or is to stand. READ_WINDOW is answered with
 * EXTENDED_REPLY and the count of bytes, fewer only at the end of the file; errors of both, and the answer to WRITE_WINDOW,
 * are STATUS as those to READ and WRITE.
 */
export const WINDOW = 'window@tcolima'
export const READ_WINDOW = 'read-window@tcolima'
export const WRITE_WINDOW = 'write-window@tcolima'

/** Bytes of RESUME's nonce. */
export const NONCE_BYTES = 16

/** Most data one READ gives: 256 KiB less room for a header, as OpenSSH's server. */
export const MAX_READ = 256 * 1024 - 1024

/** Largest packet taken, without its length field: 256 KiB of data and room for its header. */
export const MAX_PACKET = 256 * 1024 + 1024
