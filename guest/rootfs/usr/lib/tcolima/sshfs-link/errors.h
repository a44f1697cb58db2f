/* Errors of the host that SFTP has no code for. */
#include <stddef.h>

/* A reply to a request, both as they are sent. */
void errors_reply(const unsigned char *request, const unsigned char *reply, size_t length);
