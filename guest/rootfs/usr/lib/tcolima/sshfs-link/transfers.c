/*
 * Large reads and writes go through the window with one request of our own each, where sshfs would send one for each 64 KiB.
 * The host's server does its requests and ours in the order in which they were sent.
 */
#define _GNU_SOURCE
#include "transfers.h"
#include "basics.h"
#include "link.h"
#include "turns.h"
#include "window.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
  LEAST = 96 * 1024,        /* bytes that the port does not carry as fast */
  BLOCK = 4096,
  HANDLE = 8,               /* bytes of our server's handles (src/mounts/handles.ts) */
  /* draft-ietf-secsh-filexfer-02, sections 3 and 7 */
  STATUS = 101, EXTENDED_REPLY = 201,
  OK = 0, END_OF_FILE = 1, DENIED = 3, NO_SPACE = 7, UNSUPPORTED = 8,
};

/* src/mounts/protocol.ts */
static const char READ_WINDOW[] = "read-window@tcolima", WRITE_WINDOW[] = "write-window@tcolima";

/* How sshfs's struct sshfs_file begins (sshfs.c, 2.x to 3.7.5): with the handle, as a string in a buffer. */
struct opened { unsigned char *bytes; size_t length, size; };

/* A request about data in slots. It begins with what link.c knows. */
struct transfer {
  struct link_request request;
  const unsigned char *handle;
  int slot;
  uint32_t slots;
  off_t place;              /* of their data in the window */
  sem_t here;
  int type;                 /* the reply's, and the number in it */
  uint32_t number;
};

static const unsigned char *handle_of(uint64_t file) {
  const struct opened *opened = (const struct opened *)(uintptr_t)file;
  if (!opened || opened->size != 4 + HANDLE || get32(opened->bytes) != HANDLE) return NULL;
  return opened->bytes;
}

static void answered(struct link_request *request, int type, uint32_t number) {
  struct transfer *transfer = (struct transfer *)request;
  transfer->type = type;
  transfer->number = number;
  turns_answer(&transfer->here);
}

/* Gives whether it can be. */
static int begin(struct transfer *transfer, uint64_t file, size_t size) {
  *transfer = (struct transfer){
    .request = {answered}, .handle = handle_of(file), .slots = (size + WINDOW_SLOT - 1) / WINDOW_SLOT};
  if (!transfer->handle || sem_init(&transfer->here, 0, 0) != 0) return 0;
  pthread_mutex_lock(&link_lock);
  transfer->slot = window_take(transfer->slots, &transfer->place);
  pthread_mutex_unlock(&link_lock);
  return transfer->slot >= 0;
}

/* Sends the request and waits for the reply. */
static void ask(struct transfer *transfer, const char *name, off_t at, size_t size) {
  unsigned char body[4 + sizeof WRITE_WINDOW + 4 + HANDLE + 8 + 4 + 4], *p = body;
  size_t length = strlen(name);
  p = put32(p, length);
  memcpy(p, name, length), p += length;
  memcpy(p, transfer->handle, 4 + HANDLE), p += 4 + HANDLE;
  p = put32(p, (uint64_t)at >> 32);
  p = put32(p, (uint32_t)at);
  p = put32(p, size);
  p = put32(p, transfer->slot);
  link_send(&transfer->request, body, p - body);
  turns_wait(&transfer->here);
}

static void end(struct transfer *transfer) {
  pthread_mutex_lock(&link_lock);
  window_release(transfer->slot, transfer->slots);
  pthread_mutex_unlock(&link_lock);
  sem_destroy(&transfer->here);
}

void *transfer_memory(size_t size) {
  void *memory;
  return posix_memalign(&memory, BLOCK, (size + BLOCK - 1) / BLOCK * BLOCK) == 0 ? memory : NULL;
}

int transfer_read(uint64_t file, void *memory, size_t size, off_t at) {
  struct transfer transfer;
  if (size < LEAST || !begin(&transfer, file, size)) return NOT_TRANSFERRED;
  ask(&transfer, READ_WINDOW, at, size);
  int result = NOT_TRANSFERRED;
  uint32_t number = transfer.number;
  if (transfer.type == EXTENDED_REPLY && number <= size && window_read(transfer.place, memory, number)) result = (int)number;
  if (transfer.type == STATUS && number == END_OF_FILE) result = 0;
  end(&transfer);
  return result;
}

int transfer_write(uint64_t file, const void *bytes, size_t size, off_t at) {
  struct transfer transfer;
  if (size < LEAST || !begin(&transfer, file, size)) return NOT_TRANSFERRED;
  int result = NOT_TRANSFERRED;
  if (window_write(transfer.place, bytes, size)) {
    ask(&transfer, WRITE_WINDOW, at, size);
    uint32_t number = transfer.type == STATUS ? transfer.number : UNSUPPORTED;
    if (number == OK) result = (int)size;
    else if (number != UNSUPPORTED) result = number == NO_SPACE ? -ENOSPC : number == DENIED ? -EACCES : -EIO;
  }
  end(&transfer);
  return result;
}
