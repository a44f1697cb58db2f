/* What the host's server tells ahead, so that sshfs need not wait for it: see hints.c. */
#include <stddef.h>
#include <stdint.h>

enum { HINTS = 240 }; /* packet type of our own, src/mounts/protocol.ts */

/* A request goes out (a whole packet with its length field): forgets what it may change. Gives how many changes have gone out. */
uint64_t hints_request(const unsigned char *packet, size_t length);
/* Its reply is here. */
void hints_reply(const unsigned char *request, size_t request_length, const unsigned char *reply, size_t length);
/* Whether an LSTAT asks for the file that an OPEN opens: that one's reply comes with the attributes. */
int hints_belong(const unsigned char *lstat, size_t length, const unsigned char *open, size_t open_length);
/* All that waited for the attributes that came with an OPEN has them; who asks later asks the host. */
void hints_opened(const unsigned char *open, size_t length);
/* A packet of hints came, for an unanswered request with which so many changes had gone out. */
void hints_take(uint64_t changes, const unsigned char *packet, size_t length);
/* The whole reply to a request, if it is known: gives its length, or 0. `reply` holds MAX_HINT bytes. */
size_t hints_answer(const unsigned char *packet, size_t length, unsigned char *reply);
/* As link_known in link.h. */
size_t hints_known(const char *path, unsigned char type, size_t skip, void *buffer, size_t size);
/* As link_absent in link.h. */
int hints_absent(const char *path);
/* Nothing is known any more. */
void hints_forget(void);

enum { MAX_HINT = 72 * 1024 };
