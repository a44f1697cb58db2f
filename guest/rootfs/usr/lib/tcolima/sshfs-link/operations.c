/*
 * What sshfs tells libfuse about itself, changed on the way.
 *
 * What is known from hints is answered here, in the thread that got it from the kernel: to go through sshfs would take two
 * changes of thread, most of such a request's time under software emulation.
 *
 * sshfs gives libfuse the attributes with the names of a folder, but does not say that they are complete; so the kernel asks
 * for each file's again: `ls -l` of n files costs n more round trips between the kernel and sshfs. This says it
 * (FUSE_FILL_DIR_PLUS, libfuse 3, include/fuse.h), and has the kernel ask for them with all parts of a listing: by itself it
 * does for the first, and then only if something looks at files meanwhile. `find` does not before it has all names.
 *
 * What is used of libfuse's interfaces is declared here, as it is in the versions of Debian 12 and 13 (3.14.0, 3.17).
 */
#define _GNU_SOURCE
#include "basics.h"
#include "link.h"
#include "transfers.h"
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>

enum {
  /* Places in struct fuse_operations (fuse.h). */
  GETATTR = 0, OPEN = 12, READ = 13, WRITE = 14, READDIR = 24, INIT = 27, READ_BUF = 37,
  OPERATIONS = 64,          /* more than there are */
  READDIR_PLUS = 1,         /* enum fuse_readdir_flags: the kernel wants attributes */
  FILL_DIR_PLUS = 2,        /* enum fuse_fill_dir_flags: here they are */
  READDIRPLUS_AUTO = 1 << 14, /* FUSE_CAP_READDIRPLUS_AUTO (fuse_common.h) */
  /* SFTP packet types, and which attributes follow (draft-ietf-secsh-filexfer-02, sections 3 and 5) */
  SFTP_READ = 5, SFTP_LSTAT = 7, SFTP_FSTAT = 8, SFTP_ATTRS = 105,
  DATA_HEAD = 1 + 4,        /* SSH_FXP_DATA's type and length */
  ALL_ATTRIBUTES = 1 | 2 | 4 | 8, /* size, owners, permissions, times: what our server gives */
  ATTRIBUTES = 1 + 4 + 8 + 5 * 4,
  BLOCK = 4096,             /* sshfs's size of a block */
};

/* What libfuse gives for names whose inode it does not know (FUSE_UNKNOWN_INO, lib/fuse.c); 0 would mean no entry. */
static const ino_t UNKNOWN_INODE = 0xffffffff;

typedef int (*fill_dir)(void *, const char *, const struct stat *, off_t, int);

/* struct fuse_conn_info and fuse_file_info (fuse_common.h), as far as they are needed. */
struct connection { uint32_t major, minor, max_write, max_read, max_readahead, capable, want; };
struct file {
  int flags;
  unsigned writepage : 1, direct_io : 1, keep_cache : 1, flush : 1, nonseekable : 1, flock_release : 1, cache_readdir : 1,
    noflush : 1;
  unsigned padding;
  uint64_t handle;
};
/* struct fuse_bufvec with its one struct fuse_buf (fuse_common.h), and room for what newer versions add. */
struct memory { size_t count, index, offset, size; int flags; void *bytes; int descriptor; off_t place; size_t more[4]; };

static void *operations[OPERATIONS];
/* sshfs's own. */
static void *(*plain_init)(struct connection *, void *);
static int (*plain_getattr)(const char *, struct stat *, struct file *);
static int (*plain_open)(const char *, struct file *);
static int (*plain_read)(const char *, char *, size_t, off_t, struct file *);
static int (*plain_write)(const char *, const char *, size_t, off_t, struct file *);
static int (*plain_readdir)(const char *, void *, fill_dir, off_t, struct file *, int);

/* Where struct fuse_config (fuse.h) has nullpath_ok, in bytes: since 3.17 no_rofd_flush is not before it. */
static int nullpath_place(void) {
  int (*version)(void) = (int (*)(void))dlsym(RTLD_DEFAULT, "fuse_version");
  return version && version() >= 317 ? 96 : 104;
}

static void *init_ours(struct connection *connection, void *config) {
  void *data = plain_init(connection, config);
  connection->want &= ~READDIRPLUS_AUTO;
  /* sshfs needs no paths of open files, but we do. */
  *(int *)((char *)config + nullpath_place()) = 0;
  return data;
}

/* As sshfs makes it of the same packet. */
static int getattr_known(const char *path, struct stat *stat, struct file *file) {
  unsigned char known[ATTRIBUTES];
  if (!path) return plain_getattr(path, stat, file);
  size_t length = link_known(path, file ? SFTP_FSTAT : SFTP_LSTAT, 0, known, sizeof known);
  if (!file && length == 0 && link_absent(path)) return -ENOENT;
  if (length != ATTRIBUTES || known[0] != SFTP_ATTRS || get32(known + 1) != ALL_ATTRIBUTES) return plain_getattr(path, stat, file);
  memset(stat, 0, sizeof *stat);
  stat->st_size = (off_t)get32(known + 5) << 32 | get32(known + 9);
  stat->st_uid = get32(known + 13);
  stat->st_gid = get32(known + 17);
  stat->st_mode = get32(known + 21);
  stat->st_atime = get32(known + 25);
  stat->st_mtime = stat->st_ctime = get32(known + 29);
  stat->st_nlink = 1;
  stat->st_blksize = BLOCK;
  stat->st_blocks = (stat->st_size + BLOCK - 1) / BLOCK * (BLOCK / 512);
  return 0;
}

/* To close what was only read, sshfs has nothing to do that a program must wait for. */
static int open_without_flush(const char *path, struct file *file) {
  int error = plain_open(path, file);
  if (error == 0 && (file->flags & O_ACCMODE) == O_RDONLY) file->noflush = 1;
  return error;
}

/* A file that is known is known whole. */
static int read_bytes(const char *path, char *buffer, size_t size, off_t at, struct file *file) {
  size_t known = path && at == 0 ? link_known(path, SFTP_READ, DATA_HEAD, buffer, size) : 0;
  if (known > 0) return (int)known;
  int length = transfer_read(file->handle, buffer, size, at);
  return length == NOT_TRANSFERRED ? plain_read(path, buffer, size, at, file) : length;
}

/* Libfuse frees what is read, and so it can lie as the window wants it. */
static int read_ours(const char *path, struct memory **given, size_t size, off_t at, struct file *file) {
  struct memory *memory = calloc(1, sizeof *memory);
  void *bytes = transfer_memory(size);
  int length = memory && bytes ? read_bytes(path, bytes, size, at, file) : -ENOMEM;
  if (length < 0) {
    free(bytes);
    free(memory);
    return length;
  }
  memory->count = 1;
  memory->size = length;
  memory->bytes = bytes;
  memory->descriptor = -1;
  *given = memory;
  return 0;
}

static int write_ours(const char *path, const char *bytes, size_t size, off_t at, struct file *file) {
  int length = transfer_write(file->handle, bytes, size, at);
  if (length == NOT_TRANSFERRED) return plain_write(path, bytes, size, at, file);
  /* What sshfs may have read ahead is old now: it counts its writes, this one too. */
  plain_write(path, bytes, 0, at, file);
  return length;
}

struct through { void *buffer; fill_dir fill; };

static int fill_with_attributes(void *buffer, const char *name, const struct stat *stat, off_t at, int flags) {
  struct through *through = buffer;
  if (!stat) return through->fill(through->buffer, name, stat, at, flags);
  struct stat copy = *stat;
  copy.st_ino = UNKNOWN_INODE;
  return through->fill(through->buffer, name, &copy, at, flags | FILL_DIR_PLUS);
}

static int readdir_with_attributes(const char *path, void *buffer, fill_dir fill, off_t at, struct file *file, int flags) {
  struct through through = {buffer, fill};
  if (!(flags & READDIR_PLUS)) return plain_readdir(path, buffer, fill, at, file, flags);
  return plain_readdir(path, &through, fill_with_attributes, at, file, flags);
}

/* Puts ours in the place of one of sshfs's, which it gives. */
static void *replace(int place, void *ours) {
  void *theirs = operations[place];
  operations[place] = theirs ? ours : NULL;
  return theirs;
}

static const void *with_ours(const void *given, size_t size) {
  if (size > sizeof operations || size <= READ_BUF * sizeof(void *)) return given;
  memcpy(operations, given, size);
  plain_init = replace(INIT, init_ours);
  plain_getattr = replace(GETATTR, getattr_known);
  plain_open = replace(OPEN, open_without_flush);
  plain_read = (int (*)(const char *, char *, size_t, off_t, struct file *))operations[READ];
  operations[READ_BUF] = read_ours;
  plain_write = replace(WRITE, write_ours);
  plain_readdir = replace(READDIR, readdir_with_attributes);
  return operations;
}

/* Since libfuse 3.17. */
void *_fuse_new_31(void *args, const void *given, size_t size, void *version, void *data) {
  void *(*next)(void *, const void *, size_t, void *, void *);
  next = (void *(*)(void *, const void *, size_t, void *, void *))dlsym(RTLD_NEXT, "_fuse_new_31");
  return next(args, with_ours(given, size), size, version, data);
}

/* Before. */
void *fuse_new(void *args, const void *given, size_t size, void *data) {
  void *(*next)(void *, const void *, size_t, void *);
  next = (void *(*)(void *, const void *, size_t, void *))dlsym(RTLD_NEXT, "fuse_new");
  return next(args, with_ours(given, size), size, data);
}
