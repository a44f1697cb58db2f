/* The connection to the host's server: see link.c. */
#include <stddef.h>

/*
 * What the server would say now to a request (an SFTP packet type) about a path, if that is known: without its length and
 * id, and without the first `skip` bytes of the rest. Gives how many bytes it put into the buffer; 0 when it is not known, or
 * does not fit.
 */
size_t link_known(const char *path, unsigned char type, size_t skip, void *buffer, size_t size);
/* Whether it is known that there is nothing at a path. */
int link_absent(const char *path);
