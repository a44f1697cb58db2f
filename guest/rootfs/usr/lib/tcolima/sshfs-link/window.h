/* Memory that guest and host share: see window.c. */
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { WINDOW_SLOT = 64 * 1024 };

/* Opens the window at a path, if it can be. */
void window_open(const char *path);
/* Whether there is one. */
int window_is_open(void);

/* ---- under the lock ---- */

/* Which part of it is this mount's, as the host's server says: its first slot, and how many; none means not to use it. */
void window_use(uint32_t first, uint32_t count);
/* Takes so many slots in a row. Gives the first, counted from the mount's own first, and where that lies; or -1. */
int window_take(uint32_t count, off_t *place);
void window_release(int slot, uint32_t count);

/* ---- without it ---- */

/* Copies to and from where slots that are taken lie. Both give whether that worked. */
int window_read(off_t place, void *buffer, size_t size);
int window_write(off_t place, const void *buffer, size_t size);
