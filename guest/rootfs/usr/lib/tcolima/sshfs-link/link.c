/*
 * Runs inside sshfs (LD_PRELOAD), and is what sshfs takes for its connection: its reads of stdin and writes to stdout. Carries
 * the SFTP packets to the host over the virtio-serial port TCOLIMA_PORT and back. (That may be a Unix socket instead, on
 * which sshd listens for the host.) In the same process, since under software emulation each change of process costs as much
 * as the whole rest of a small request.
 *
 * sshfs never sees that the host's end went away: each request is kept until its whole reply is here, and when the host is
 * there again, all unanswered ones are sent again, in order. The agreement with the host's server is in docs/mounts.md,
 * "What survives what".
 *
 * SIGUSR1: the host has a new server that heard nothing from here (the gap was too short to be seen): speak to it anew.
 */
#define _GNU_SOURCE
#include "basics.h"
#include "errors.h"
#include "hints.h"
#include "link.h"
#include "turns.h"
#include "window.h"
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

enum {
  MAX_PACKET = 4 + 257 * 1024,    /* the server's limit, src/mounts/protocol.ts */
  BUFFER = 4 * MAX_PACKET,
  CHUNK = 32 * 1024,              /* the most that virtio_console takes in one write */
  LOOK_MS = 50,                   /* how often to look whether the host is back: poll() answers at once while it is not */
  ANSWER_MS = 5000,               /* for the server to answer SSH_FXP_INIT, before the port is opened anew */
  NONCE = 16,
  HEAD = 9,                       /* bytes of a packet before its body: length, type, id */
  HALF = 1u << 31,
  LATER_MS = 10,                  /* for a request that nobody waits for to go with another one */
  INIT = 1, VERSION = 2, CLOSE = 4, EXTENDED = 200, /* SFTP packet types, draft-ietf-secsh-filexfer-02 section 3 */
};

/* The extension of INIT (nonce, flags, count of requests sent again) and of VERSION (nonce). */
static const char RESUME[] = "resume@tcolima";
/* One of VERSION alone, right behind it: which slots of the window are ours (first, count). */
static const char WINDOW[] = "window@tcolima";
enum { NAME = sizeof RESUME - 1, ANSWER = 1 + 4 + 4 + NAME + 4 + NONCE, GOES_ON = 1, TAKES_HINTS = 2, HAS_WINDOW = 4 };

struct request {
  struct request *next;
  struct request *held;     /* an LSTAT that waits for what comes with this OPEN's reply */
  struct link_request *ours; /* NULL when it is sshfs's */
  size_t length;
  uint64_t changes;         /* that had gone out with it */
  unsigned char bytes[];
};

/* sshfs writes from many threads, and reads from one at a time. All that follows is under the lock. */
pthread_mutex_t link_lock = PTHREAD_MUTEX_INITIALIZER;
static ssize_t (*next_read)(int, void *, size_t);
static ssize_t (*next_writev)(int, const struct iovec *, int);

/* AWAY: nobody at the host's end. ASKING: all that comes is dropped until VERSION with our nonce. UP: packets flow. */
static enum { AWAY, ASKING, UP } state = AWAY;
static const char *port_path;
static int port = -1;
static int port_broken;                          /* to be opened anew by who has the turn, and waits on it */
static int wake = -1, asleep;                    /* an eventfd that ends the wait of who has the turn, and whether it waits */
static int answered_once;                        /* whether sshfs has its VERSION */
static volatile sig_atomic_t nudged;
static int64_t asked_at;

static struct request *first, **last = &first;   /* unanswered requests, in sshfs's order */
static size_t count;
static uint32_t sshfs_id;                        /* sshfs's newest: it counts its requests, and sends them nearly in order */
static struct request *newest;                   /* the last one, if it is unanswered */
static int later = -1, later_set;                /* a timer, and whether it runs */
static struct request *sending;                  /* the next to go to the port, `sent` bytes of it gone */
static size_t sent;
static int port_full;                            /* it did not take all there was */

static unsigned char *control;                   /* goes to the port before any request */
static size_t control_at, control_length;
static unsigned char answer[ANSWER];             /* how the awaited VERSION goes on behind its length */

/* [in_start, in_whole) is for sshfs, [in_whole, in_end) not yet a whole packet */
static unsigned char in[BUFFER];
static size_t in_start, in_whole, in_end;

/* Replies that were known, and so did not come from the host. */
struct known {
  struct known *next;
  size_t length;
  unsigned char bytes[];
};
static struct known *first_known, **last_known = &first_known;
static size_t given;                             /* bytes of the first known one, or of the first in `in`, sshfs has */
static enum { NEITHER, KNOWN, CAME } giving;

static void die(const char *what) {
  fprintf(stderr, "sshfs-link: %s: %s\n", what, strerror(errno));
  _exit(1);
}

static unsigned char *put(unsigned char *p, const void *bytes, size_t length) {
  memcpy(p, bytes, length);
  return p + length;
}

/* ---- the host's end ---- */

static int open_port(void) {
  struct stat st;
  if (stat(port_path, &st) == 0 && S_ISSOCK(st.st_mode)) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, port_path, sizeof address.sun_path - 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0) return fd;
    close(fd);
    return -1;
  }
  return open(port_path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
}

/* A socket is made anew for each server; the port stays, and shows by POLLHUP that nobody holds its other end. */
static void host_went(void) {
  struct stat st;
  state = AWAY;
  if (port >= 0 && fstat(port, &st) == 0 && S_ISSOCK(st.st_mode)) port_broken = 1;
}

static int host_is_there(void) {
  if (port_broken) close(port), port = -1, port_broken = 0;
  if (port < 0) port = open_port();
  if (port < 0) return 0;
  struct pollfd look = {.fd = port, .events = POLLOUT};
  if (poll(&look, 1, 0) >= 0 && !(look.revents & (POLLHUP | POLLERR))) return 1;
  /* A server may go as soon as it has come. */
  host_went();
  return 0;
}

/* Sends INIT; what is half sent goes out whole before it, so that it stands between packets for a server that was not away. */
static void ask(void) {
  size_t rest = control_at > 0 ? control_length - control_at : 0;
  size_t half = sent > 0 ? sending->length - sent : 0;
  size_t init = 4 + 1 + 4 + 4 + NAME + 4 + NONCE + 8;
  unsigned char *bytes = malloc(rest + half + init), *p = bytes;
  if (!bytes) die("memory");
  if (rest) p = put(p, control + control_at, rest);
  if (half) p = put(p, sending->bytes + sent, half);
  p = put32(p, init - 4);
  *p++ = INIT;
  p = put32(p, 3);
  p = put32(p, NAME);
  p = put(p, RESUME, NAME);
  p = put32(p, NONCE + 8);
  unsigned char nonce[NONCE];
  if (getrandom(nonce, NONCE, 0) != NONCE) die("getrandom");
  p = put(p, nonce, NONCE);
  p = put32(p, (answered_once ? GOES_ON : 0) | TAKES_HINTS | (window_is_open() ? HAS_WINDOW : 0));
  p = put32(p, count);
  free(control);
  control = bytes, control_at = 0, control_length = p - bytes;
  sending = NULL, sent = 0;
  hints_forget();

  p = answer;
  *p++ = VERSION;
  p = put32(p, 3);
  p = put32(p, NAME);
  p = put(p, RESUME, NAME);
  p = put32(p, NONCE);
  put(p, nonce, NONCE);
  in_end = in_whole;
  state = ASKING;
  asked_at = now_ms();
}

/* Writes to the port what waits for it, as far as it takes it. Small packets go together: each write wakes the host. */
static void push(void) {
  static unsigned char stage[CHUNK];
  port_full = 0;
  while (state != AWAY) {
    const unsigned char *bytes = stage;
    size_t length = 0;
    if (control_at < control_length) {
      bytes = control + control_at;
      length = control_length - control_at;
    } else if (state == UP && sending) {
      if (sending->length - sent >= CHUNK) {
        bytes = sending->bytes + sent;
        length = sending->length - sent;
      } else {
        size_t at = sent;
        for (struct request *r = sending; r && length < CHUNK; r = r->next, at = 0) {
          size_t n = r->length - at < CHUNK - length ? r->length - at : CHUNK - length;
          memcpy(stage + length, r->bytes + at, n);
          length += n;
        }
      }
    }
    if (length == 0) return;
    ssize_t n = write(port, bytes, length);
    if (n < 0) {
      if (errno == EAGAIN || errno == EINTR) port_full = 1;
      else host_went();
      return;
    }
    if (control_at < control_length) {
      control_at += n;
      continue;
    }
    for (sent += n; sending && sent >= sending->length; sending = sending->next) sent -= sending->length;
  }
}

/* Where the unanswered request with this id hangs, or NULL. One that was not even sent has no answer. */
static struct request **find_request(uint32_t id) {
  for (struct request **at = &first; *at; at = &(*at)->next)
    if (get32((*at)->bytes + 5) == id) return *at == sending ? NULL : at;
  return NULL;
}

static int answer_known(const unsigned char *packet, size_t length);
static void take_request(struct request *r);

/* A whole packet came. Gives whether it is for sshfs: then its request is answered, and forgotten. */
static int is_reply(const unsigned char *packet, size_t length) {
  struct request **at = find_request(get32(packet + 5)), *r = at ? *at : NULL;
  if (packet[4] == HINTS) {
    if (length == 9) hints_forget();
    else if (r) hints_take(r->changes, packet, length);
    return 0;
  }
  if (packet[4] == VERSION || !r) return 0;
  hints_reply(r->bytes, r->length, packet, length);
  errors_reply(r->bytes, packet, length);
  if (last == &r->next) last = at;
  if (newest == r) newest = NULL;
  *at = r->next;
  count--;
  if (r->held) {
    if (answer_known(r->held->bytes, r->held->length)) free(r->held);
    else take_request(r->held);
    hints_opened(r->bytes, r->length);
  }
  struct link_request *ours = r->ours;
  if (ours) ours->answered(ours, packet[4], length >= HEAD + 4 ? get32(packet + HEAD) : 0);
  free(r);
  return !ours;
}

/* The VERSION with our nonce is here: `more` is what it says beside. Gives where what sshfs may know begins. */
static unsigned char *take_window(unsigned char *more, unsigned char *end) {
  enum { LENGTH = 4 + sizeof WINDOW - 1 + 4 + 8 };
  int has = end - more >= LENGTH && memcmp(more + 4, WINDOW, sizeof WINDOW - 1) == 0;
  if (has) window_use(get32(more + LENGTH - 8), get32(more + LENGTH - 4));
  else window_use(0, 0);
  return has ? more + LENGTH : more;
}

/* Passes over bytes of a dead server until VERSION with our nonce. Gives whether it has come. */
static int found_answer(void) {
  unsigned char *at = memmem(in + in_whole, in_end - in_whole, answer, ANSWER);
  if (!at || at < in + in_whole + 4) {
    size_t keep = in_end - in_whole < ANSWER + 3 ? in_end - in_whole : ANSWER + 3;
    memmove(in + in_whole, in + in_end - keep, keep);
    in_end = in_whole + keep;
    return 0;
  }
  unsigned char *packet = at - 4, *end = in + in_end;
  uint32_t length = get32(packet);
  if (length > 4096 || (size_t)(end - packet) < 4 + (size_t)length) {
    memmove(in + in_whole, packet, end - packet);
    in_end = in_whole + (end - packet);
    return 0;
  }
  unsigned char *rest = packet + 4 + length, *more = take_window(at + ANSWER, rest);
  if (!answered_once) {
    /* sshfs gets it without our extension. */
    answered_once = 1;
    unsigned char *p = put32(in + in_whole, 5 + (rest - more));
    *p++ = VERSION;
    p = put32(p, 3);
    memmove(p, more, rest - more);
    in_whole += 9 + (rest - more);
  }
  memmove(in + in_whole, rest, end - rest);
  in_end = in_whole + (end - rest);
  state = UP;
  sending = first, sent = 0;
  return 1;
}

/* Whole replies in `in` become sshfs's. */
static void sort_in(void) {
  if (state == ASKING && !found_answer()) return;
  if (state != UP) return;
  while (in_end - in_whole >= 4) {
    size_t length = 4 + (size_t)get32(in + in_whole);
    if (length < 9 || length > MAX_PACKET) {
      /* No packet: whatever it was, start again from what is known. */
      ask();
      return;
    }
    if (in_end - in_whole < length) return;
    if (is_reply(in + in_whole, length)) {
      in_whole += length;
      continue;
    }
    memmove(in + in_whole, in + in_whole + length, in_end - in_whole - length);
    in_end -= length;
  }
}

/* Reads what the port has. */
static void pull(void) {
  while (in_end < BUFFER) {
    ssize_t n = read(port, in + in_end, BUFFER - in_end);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) break;
    if (n < 0 && errno == ENODEV) die("the port is gone");
    if (n <= 0) {
      sort_in();
      host_went();
      return;
    }
    in_end += n;
    /* A hundred reads of a page each, then sshfs may begin with what is there. */
    if (in_end - in_whole > MAX_PACKET) break;
  }
  sort_in();
}

/* ---- sshfs's end ---- */

/* Gives sshfs up to `size` bytes of a reply, packet by packet from the two places where they wait. */
static size_t give(unsigned char *buffer, size_t size) {
  if (giving == NEITHER) giving = first_known ? KNOWN : in_start < in_whole ? CAME : NEITHER;
  if (giving == NEITHER) return 0;
  struct known *known = first_known;
  const unsigned char *packet = giving == KNOWN ? known->bytes : in + in_start;
  size_t length = giving == KNOWN ? known->length : 4 + (size_t)get32(packet);
  if (size > length - given) size = length - given;
  memcpy(buffer, packet + given, size);
  given += size;
  if (given < length) return size;
  if (giving == KNOWN) {
    first_known = known->next;
    if (!first_known) last_known = &first_known;
    free(known);
  } else {
    in_start += length;
  }
  giving = NEITHER, given = 0;
  return size;
}

/* What came for sshfs is all with it. */
static void close_gap(void) {
  memmove(in, in + in_whole, in_end - in_whole);
  in_end -= in_whole;
  in_start = in_whole = 0;
}

static void wake_holder(void) {
  static const uint64_t once = 1;
  if (write(wake, &once, sizeof once) < 0) return; /* full: it wakes anyway */
}

/* One turn of the work at the host's end, with a wait for it when there is nothing to do. */
void link_tend(void) {
  if (state == AWAY && host_is_there()) ask();
  if (nudged) {
    nudged = 0;
    if (state == UP) ask();
  }
  if (state == ASKING && now_ms() - asked_at > ANSWER_MS) {
    /* Closing the port tells the host to expect an INIT, whatever it takes itself to be in the middle of. */
    close(port);
    port = -1;
    state = AWAY;
    return;
  }
  if (!later_set || port_full || control_at < control_length) push();

  struct pollfd fds[3] = {
    {.fd = wake, .events = POLLIN},
    {.fd = later, .events = POLLIN},
    {.fd = state == AWAY ? -1 : port, .events = POLLIN | (port_full ? POLLOUT : 0)},
  };
  int ms = state == AWAY ? LOOK_MS : state == ASKING ? ANSWER_MS : -1;
  asleep = 1;
  pthread_mutex_unlock(&link_lock);
  int ready = poll(fds, 3, ms);
  pthread_mutex_lock(&link_lock);
  asleep = 0;
  if (ready <= 0) return;
  uint64_t times;
  if (fds[0].revents & POLLIN) next_read(wake, &times, sizeof times);
  if (fds[1].revents & POLLIN) next_read(later, &times, sizeof times), later_set = 0;
  if (fds[2].fd < 0 || state == AWAY) return;
  if (fds[2].revents & (POLLIN | POLLHUP | POLLERR)) pull();
  if (fds[2].revents & (POLLHUP | POLLERR) && state != AWAY) host_went();
}

/* A reply that is known is put where sshfs reads. Gives whether there was one. */
static int answer_known(const unsigned char *packet, size_t length) {
  static unsigned char reply[MAX_HINT];
  size_t n = hints_answer(packet, length, reply);
  if (n == 0) return 0;
  struct known *known = malloc(sizeof *known + n);
  if (!known) return 0;
  known->next = NULL;
  known->length = n;
  memcpy(known->bytes, reply, n);
  *last_known = known;
  last_known = &known->next;
  return 1;
}

static void take_request(struct request *r) {
  r->next = r->held = NULL;
  r->changes = hints_request(r->bytes, r->length);
  *last = r;
  last = &r->next;
  newest = r;
  count++;
  if (state == UP && !sending) sending = r, sent = 0;
  /* sshfs does not wait for a CLOSE. Alone, it would cost as much as any request. */
  if (r->bytes[4] != CLOSE) {
    push();
  } else if (!later_set) {
    static const struct itimerspec once = {.it_value = {.tv_nsec = LATER_MS * 1000000}};
    timerfd_settime(later, 0, &once, NULL);
    later_set = 1;
  }
}

/* A request was taken, or answered: sees to it that somebody looks for what is to come. */
static void sent_one(void) {
  if (asleep && (first_known || state != UP || port_full)) wake_holder();
  turns_sent(state == UP && !port_full);
}

static void on_usr1(int signal) {
  (void)signal;
  int before = errno;
  nudged = 1;
  wake_holder();
  errno = before;
}

static void start(void) {
  next_read = (ssize_t (*)(int, void *, size_t))dlsym(RTLD_NEXT, "read");
  next_writev = (ssize_t (*)(int, const struct iovec *, int))dlsym(RTLD_NEXT, "writev");
  if (!next_read || !next_writev) die("no C library");
  const char *path = getenv("TCOLIMA_PORT");
  if (!path) return;
  wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  later = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  if (wake < 0 || later < 0) die("eventfd");
  signal(SIGPIPE, SIG_IGN);
  struct sigaction act = {.sa_handler = on_usr1, .sa_flags = SA_RESTART};
  sigaction(SIGUSR1, &act, NULL);
  port_path = path;
  const char *window = getenv("TCOLIMA_WINDOW");
  if (window) window_open(window);
  /* Memory for a large read comes and goes all the time: without this, page by page from the kernel and back. */
  mallopt(M_MMAP_THRESHOLD, 8 << 20);
  mallopt(M_TRIM_THRESHOLD, 16 << 20);
  turns_begin();
}

/* Not a constructor: tcc knows none in libraries. sshfs writes before it does anything that matters here. */
static void prepare(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, start);
}

ssize_t read(int fd, void *buffer, size_t size) {
  prepare();
  if (fd != STDIN_FILENO || !port_path) return next_read(fd, buffer, size);
  pthread_mutex_lock(&link_lock);
  size_t n;
  while ((n = give(buffer, size)) == 0) {
    close_gap();
    pthread_mutex_unlock(&link_lock);
    int came = turns_put_aside();
    pthread_mutex_lock(&link_lock);
    if (!came) link_tend();
  }
  pthread_mutex_unlock(&link_lock);
  return n;
}

int link_has_reply(void) {
  return first_known != NULL || in_start < in_whole;
}

int link_expects(void) {
  return count > 0 || state != UP || link_has_reply();
}

void link_push_late(void) {
  uint64_t times;
  if (!later_set || next_read(later, &times, sizeof times) < 0) return;
  later_set = 0;
  push();
  if (asleep && (state != UP || port_full)) wake_holder();
}

/* What the host has said so far counts, also if nobody looked. */
static void catch_up(void) {
  if (state == UP && turns_idle()) pull();
}

size_t link_known(const char *path, unsigned char type, size_t skip, void *buffer, size_t size) {
  pthread_mutex_lock(&link_lock);
  catch_up();
  size_t length = hints_known(path, type, skip, buffer, size);
  pthread_mutex_unlock(&link_lock);
  return length;
}

int link_absent(const char *path) {
  pthread_mutex_lock(&link_lock);
  catch_up();
  int absent = hints_absent(path);
  pthread_mutex_unlock(&link_lock);
  return absent;
}

void link_send(struct link_request *request, const unsigned char *body, size_t length) {
  static uint32_t sent_so_far;
  struct request *r = malloc(sizeof *r + HEAD + length);
  if (!r) die("memory");
  r->length = HEAD + length;
  r->ours = request;
  put32(r->bytes, r->length - 4);
  r->bytes[4] = EXTENDED;
  memcpy(r->bytes + HEAD, body, length);
  pthread_mutex_lock(&link_lock);
  catch_up();
  /* sshfs does not come to these ids while they are in use. */
  put32(r->bytes + 5, sshfs_id + HALF + sent_so_far++ % (HALF / 2));
  take_request(r);
  sent_one();
  pthread_mutex_unlock(&link_lock);
}

/* sshfs writes each packet whole, with one call. */
ssize_t writev(int fd, const struct iovec *parts, int n) {
  prepare();
  if (fd != STDOUT_FILENO || !port_path) return next_writev(fd, parts, n);
  size_t length = 0;
  for (int i = 0; i < n; i++) length += parts[i].iov_len;
  struct request *r = malloc(sizeof *r + length);
  if (!r) die("memory");
  r->length = length;
  r->ours = NULL;
  unsigned char *p = r->bytes;
  for (int i = 0; i < n; i++) p = put(p, parts[i].iov_base, parts[i].iov_len);
  if (length < 9 || length > MAX_PACKET || 4 + (size_t)get32(r->bytes) != length) {
    fprintf(stderr, "sshfs-link: no SFTP packet: %zu bytes\n", length);
    _exit(1);
  }
  pthread_mutex_lock(&link_lock);
  uint32_t id = get32(r->bytes + 5);
  if ((int32_t)(id - sshfs_id) > 0) sshfs_id = id;
  catch_up();
  /* Its INIT is answered from the server's answer to ours. */
  if (r->bytes[4] == INIT || answer_known(r->bytes, length)) free(r);
  else if (newest && !newest->held && hints_belong(r->bytes, length, newest->bytes, newest->length)) newest->held = r;
  else take_request(r);
  sent_one();
  pthread_mutex_unlock(&link_lock);
  return length;
}
