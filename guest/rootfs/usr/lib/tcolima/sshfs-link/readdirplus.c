/*
 * sshfs gives libfuse the attributes with the names of a folder, but does not say that they are complete; so the kernel asks
 * for each file's again: `ls -l` of n files costs n more round trips between the kernel and sshfs. This says it
 * (FUSE_FILL_DIR_PLUS, libfuse 3, include/fuse.h).
 *
 * What is used of libfuse's interfaces is declared here: their layout is fixed for all versions of libfuse 3.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>

enum {
  READDIR = 24,             /* its place in struct fuse_operations (fuse.h) */
  OPERATIONS = 64,          /* more than there are */
  READDIR_PLUS = 1,         /* enum fuse_readdir_flags: the kernel wants attributes */
  FILL_DIR_PLUS = 2,        /* enum fuse_fill_dir_flags: here they are */
};

/* What libfuse gives for names whose inode it does not know (FUSE_UNKNOWN_INO, lib/fuse.c); 0 would mean no entry. */
static const ino_t UNKNOWN_INODE = 0xffffffff;

typedef int (*fill_dir)(void *, const char *, const struct stat *, off_t, int);
typedef int (*read_dir)(const char *, void *, fill_dir, off_t, void *, int);

/* struct fuse_entry_param (fuse_lowlevel.h), as far as it is needed. */
struct entry { uint64_t inode, generation; struct stat attributes; };

struct through { void *buffer; fill_dir fill; };

static void *operations[OPERATIONS];
static read_dir plain_readdir;

static int fill_with_attributes(void *buffer, const char *name, const struct stat *stat, off_t at, int flags) {
  struct through *through = buffer;
  if (!stat) return through->fill(through->buffer, name, stat, at, flags);
  struct stat copy = *stat;
  copy.st_ino = UNKNOWN_INODE;
  return through->fill(through->buffer, name, &copy, at, flags | FILL_DIR_PLUS);
}

static int readdir_with_attributes(const char *path, void *buffer, fill_dir fill, off_t at, void *info, int flags) {
  struct through through = {buffer, fill};
  if (!(flags & READDIR_PLUS)) return plain_readdir(path, buffer, fill, at, info, flags);
  return plain_readdir(path, &through, fill_with_attributes, at, info, flags);
}

static const void *with_readdir(const void *given, size_t size) {
  if (size > sizeof operations || size <= READDIR * sizeof(void *)) return given;
  memcpy(operations, given, size);
  if (!operations[READDIR]) return given;
  plain_readdir = (read_dir)operations[READDIR];
  operations[READDIR] = (void *)readdir_with_attributes;
  return operations;
}

/* Since libfuse 3.17. */
void *_fuse_new_31(void *args, const void *given, size_t size, void *version, void *data) {
  void *(*next)(void *, const void *, size_t, void *, void *);
  next = (void *(*)(void *, const void *, size_t, void *, void *))dlsym(RTLD_NEXT, "_fuse_new_31");
  return next(args, with_readdir(given, size), size, version, data);
}

/* Before. */
void *fuse_new(void *args, const void *given, size_t size, void *data) {
  void *(*next)(void *, const void *, size_t, void *);
  next = (void *(*)(void *, const void *, size_t, void *))dlsym(RTLD_NEXT, "fuse_new");
  return next(args, with_readdir(given, size), size, data);
}

/* libfuse gives the inode of a looked-up file everywhere but here. */
size_t fuse_add_direntplus(void *request, char *buffer, size_t size, const char *name, const struct entry *entry, off_t at) {
  static size_t (*next)(void *, char *, size_t, const char *, const struct entry *, off_t);
  if (!next) next = (size_t (*)(void *, char *, size_t, const char *, const struct entry *, off_t))dlsym(RTLD_NEXT, "fuse_add_direntplus");
  /* The caller's own. */
  if (entry && entry->inode) ((struct entry *)entry)->attributes.st_ino = entry->inode;
  return next(request, buffer, size, name, entry, at);
}
