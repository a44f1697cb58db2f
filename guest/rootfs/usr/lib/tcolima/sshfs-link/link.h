/* The connection to the host's server: see link.c. */
#include <stddef.h>
#include <stdint.h>

/*
 * What the server would say now to a request (an SFTP packet type) about a path, if that is known: without its length and
 * id, and without the first `skip` bytes of the rest. Gives how many bytes it put into the buffer; 0 when it is not known, or
 * does not fit.
 */
size_t link_known(const char *path, unsigned char type, size_t skip, void *buffer, size_t size);
/* Whether it is known that there is nothing at a path. */
int link_absent(const char *path);

/* A request of ours, not of sshfs: what is called with the reply's type and the first number in it, under the lock. */
struct link_request { void (*answered)(struct link_request *request, int type, uint32_t number); };
/* Sends an SSH_FXP_EXTENDED request, whose body goes behind its id. */
void link_send(struct link_request *request, const unsigned char *body, size_t length);
