/* Who in sshfs reads its replies: see turns.c. */
#include <pthread.h>
#include <semaphore.h>

/* Under which is all that several threads share of the link. */
extern pthread_mutex_t link_lock;

/* ---- what link.c does for turns.c; under the lock ---- */

/* Whether there are bytes that sshfs can read. */
int link_has_reply(void);
/* Whether something is to be waited for or read: replies, or that the host is back. */
int link_expects(void);
/* One turn of the work at the host's end, with a wait for it when there is nothing to do; without the lock meanwhile. */
void link_tend(void);
/* Sends what waited long enough for another request to go with it. */
void link_push_late(void);

/* ---- what turns.c does for link.c ---- */

/* From now on threads take turns, once sshfs wants to start its reader. */
void turns_begin(void);
/* sshfs's reader wants more than has come: gives whether it was put aside until there was more. Without the lock. */
int turns_put_aside(void);
/* sshfs wrote a request, and all that was to be sent is with the host. Under the lock. */
void turns_sent(int all);
/* Waits until somebody calls turns_answer for it. Without the lock. */
void turns_wait(sem_t *reply);
/* What waits for this has it. Under the lock. */
void turns_answer(sem_t *reply);
/* Whether nobody looks at what comes from the host. Under the lock. */
int turns_idle(void);
