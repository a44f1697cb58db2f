/*
 * A disk, which is a file that the host reads and writes as well, carries the data of large reads and writes past the port:
 * virtio_console takes a page at a time from that, with an interrupt and a turn of QEMU's main loop for each.
 *
 * It is cut into slots. Whoever sends a request lends it some until it has the reply. So the host's server need not remember
 * anything, and a request that is sent again has its slots still.
 */
#define _GNU_SOURCE
#include "window.h"
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST = 64, BLOCK = 4096, STAGE = 4 * WINDOW_SLOT };

static int window = -1;
static uint32_t first_slot, slots;
static unsigned char taken[MOST];
/* The disk is read and written in whole blocks, from and to memory that lies as they do. */
static unsigned char *stage;
static pthread_mutex_t stage_lock = PTHREAD_MUTEX_INITIALIZER;

void window_open(const char *path) {
  /* What the host writes does not come into the guest's own cache. */
  window = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
  if (window >= 0 && posix_memalign((void **)&stage, BLOCK, STAGE) != 0) close(window), window = -1;
}

int window_is_open(void) {
  return window >= 0;
}

void window_use(uint32_t first, uint32_t count) {
  first_slot = first;
  slots = count < MOST ? count : MOST;
}

int window_take(uint32_t count, off_t *place) {
  uint32_t start = 0, end = 0;
  while (end < slots && end - start < count)
    if (taken[end++]) start = end;
  if (end - start < count) return -1;
  memset(taken + start, 1, count);
  *place = (off_t)(first_slot + start) * WINDOW_SLOT;
  return (int)start;
}

void window_release(int slot, uint32_t count) {
  memset(taken + slot, 0, count);
}

static size_t whole_blocks(size_t size) {
  return (size + BLOCK - 1) / BLOCK * BLOCK;
}

static int lies_as_blocks(const void *buffer, size_t size) {
  return (uintptr_t)buffer % BLOCK == 0 && size % BLOCK == 0;
}

int window_read(off_t place, void *buffer, size_t size) {
  size_t whole = whole_blocks(size);
  return pread(window, buffer, whole, place) == (ssize_t)whole;
}

int window_write(off_t place, const void *buffer, size_t size) {
  if (lies_as_blocks(buffer, size)) return pwrite(window, buffer, size, place) == (ssize_t)size;
  const unsigned char *bytes = buffer;
  int good = 1;
  pthread_mutex_lock(&stage_lock);
  for (size_t done = 0; good && done < size; done += STAGE) {
    size_t part = size - done < STAGE ? size - done : STAGE, whole = whole_blocks(part);
    memcpy(stage, bytes + done, part);
    good = pwrite(window, stage, whole, place + done) == (ssize_t)whole;
  }
  pthread_mutex_unlock(&stage_lock);
  return good;
}
