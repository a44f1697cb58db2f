/* Reads and writes through the window: see transfers.c. `file` is what sshfs calls an open file, `fh` in libfuse. */
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { NOT_TRANSFERRED = -4096 }; /* no errno */

/* Memory that transfer_read can fill, to be freed; NULL when there is none. */
void *transfer_memory(size_t size);
/* Both give how many bytes, an errno below 0, or NOT_TRANSFERRED: then sshfs is to do it. */
int transfer_read(uint64_t file, void *memory, size_t size, off_t at);
int transfer_write(uint64_t file, const void *bytes, size_t size, off_t at);
