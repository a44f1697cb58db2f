/*
 * SFTP has few status codes (version 3, draft section 7), and sshfs tells programs "not permitted" for all that have none.
 * Our server gives two, that a server never sends otherwise, a meaning of their own (src/mounts/status.ts); what sshfs makes
 * of them is put right here, where libfuse tells the kernel.
 */
#define _GNU_SOURCE
#include "errors.h"
#include "basics.h"
#include <dlfcn.h>
#include <errno.h>

enum {
  WRITE = 6,
  STATUS = 101,
  TOO_MANY_FILES = ENOTCONN, /* what sshfs makes of SSH_FX_NO_CONNECTION, 6 */
  NO_SPACE = ECONNABORTED,   /* and of SSH_FX_CONNECTION_LOST, 7 */
  /* Written data may be refused long before the program is told: when it closes the file. */
  REMEMBERED_MS = 30000,
};

static volatile int64_t full_at = -REMEMBERED_MS;

/* Of a write that failed sshfs says "input/output error" whatever the reason, and not at once. */
void errors_reply(const unsigned char *request, const unsigned char *reply, size_t length) {
  if (request[4] != WRITE || reply[4] != STATUS || length < 13) return;
  uint32_t status = get32(reply + 9);
  if (status == 7) full_at = now_ms();
  if (status == 0) full_at = -REMEMBERED_MS;
}

int fuse_reply_err(void *request, int error) {
  static int (*next)(void *, int);
  if (!next) next = (int (*)(void *, int))dlsym(RTLD_NEXT, "fuse_reply_err");
  if (error == TOO_MANY_FILES) error = EMFILE;
  if (error == NO_SPACE || (error == EIO && now_ms() - full_at < REMEMBERED_MS)) error = ENOSPC;
  return next(request, error);
}
