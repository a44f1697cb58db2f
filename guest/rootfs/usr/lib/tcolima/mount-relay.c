/*
 * mount-relay PORT PROGRAM ARGUMENT...
 *
 * Runs sshfs with a socket pair as its stdin and stdout, and carries its SFTP packets to the host over the virtio-serial
 * port PORT and back. (PORT may be a Unix socket instead, on which sshd listens for the host.) sshfs never sees that the
 * host's end went away: each request is kept until its whole reply is here, and when the host is there again, all
 * unanswered ones are sent again, in order.
 * The agreement with the host's server is in docs/mounts.md, "What survives what". Ends with its program.
 *
 * SIGUSR1: the host has a new server that heard nothing from here (the gap was too short to be seen): speak to it anew.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
  MAX_PACKET = 4 + 257 * 1024,    /* the server's limit, src/mounts/protocol.ts */
  BUFFER = 4 * MAX_PACKET,
  CHUNK = 32 * 1024,              /* the most that virtio_console takes in one write */
  MAX_UNANSWERED = 16 << 20,      /* bytes of requests kept; sshfs limits itself to 8 MiB */
  LOOK_MS = 50,                   /* how often to look whether the host is back: poll() answers at once while it is not */
  ANSWER_MS = 5000,               /* for the server to answer SSH_FXP_INIT, before the port is opened anew */
  NONCE = 16,
  INIT = 1, VERSION = 2,          /* SFTP packet types, draft-ietf-secsh-filexfer-02 section 3 */
};

/* The extension of INIT (nonce, 1 for "goes on", count of requests sent again) and of VERSION (nonce). */
static const char RESUME[] = "resume@tcolima";
enum { NAME = sizeof RESUME - 1, ANSWER = 1 + 4 + 4 + NAME + 4 + NONCE };

struct request {
  struct request *next;
  size_t length;
  unsigned char bytes[];
};

/* AWAY: nobody at the host's end. ASKING: all that comes is dropped until VERSION with our nonce. UP: packets flow. */
static enum { AWAY, ASKING, UP } state = AWAY;
static const char *port_path;
static int port = -1, app;
static int answered_once;                        /* whether sshfs has its VERSION */
static volatile sig_atomic_t nudged;
static int64_t asked_at;

static struct request *first, **last = &first;   /* unanswered requests, in sshfs's order */
static size_t unanswered, count;
static struct request *sending;                  /* the next to go to the port, `sent` bytes of it gone */
static size_t sent;

static unsigned char *control;                   /* goes to the port before any request */
static size_t control_at, control_length;
static unsigned char answer[ANSWER];             /* how the awaited VERSION goes on behind its length */

static unsigned char from_app[BUFFER];
static size_t app_length;
/* [in_start, in_whole) is for sshfs, [in_whole, in_end) not yet a whole packet */
static unsigned char in[BUFFER];
static size_t in_start, in_whole, in_end;

static void die(const char *what) {
  fprintf(stderr, "mount-relay: %s: %s\n", what, strerror(errno));
  exit(1);
}

static int64_t now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static uint32_t get32(const unsigned char *p) {
  return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static unsigned char *put32(unsigned char *p, uint32_t value) {
  p[0] = value >> 24, p[1] = value >> 16, p[2] = value >> 8, p[3] = value;
  return p + 4;
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
static int host_is_there(void) {
  if (port < 0) port = open_port();
  if (port < 0) return 0;
  struct pollfd look = {.fd = port, .events = POLLOUT};
  return poll(&look, 1, 0) >= 0 && !(look.revents & (POLLHUP | POLLERR));
}

static void host_went(void) {
  struct stat st;
  state = AWAY;
  if (port >= 0 && fstat(port, &st) == 0 && S_ISSOCK(st.st_mode)) {
    close(port);
    port = -1;
  }
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
  p = put32(p, answered_once);
  p = put32(p, count);
  free(control);
  control = bytes, control_at = 0, control_length = p - bytes;
  sending = NULL, sent = 0;

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
      if (errno != EAGAIN && errno != EINTR) host_went();
      return;
    }
    if (control_at < control_length) {
      control_at += n;
      continue;
    }
    for (sent += n; sending && sent >= sending->length; sending = sending->next) sent -= sending->length;
  }
}

/* The request with this id is answered: forget it. Gives whether there was one. */
static int answered(uint32_t id) {
  for (struct request **at = &first; *at; at = &(*at)->next) {
    struct request *r = *at;
    if (get32(r->bytes + 5) != id) continue;
    if (r == sending) return 0; /* not even sent: not an answer to it */
    if (last == &r->next) last = at;
    *at = r->next;
    unanswered -= r->length;
    count--;
    free(r);
    return 1;
  }
  return 0;
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
  unsigned char *rest = packet + 4 + length;
  if (!answered_once) {
    /* sshfs gets it without our extension. */
    answered_once = 1;
    unsigned char *more = at + ANSWER;
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
    if (in[in_whole + 4] != VERSION && answered(get32(in + in_whole + 5))) {
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

static void take_requests(void) {
  ssize_t n = read(app, from_app + app_length, BUFFER - app_length);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) {
    /* Its end is ours. */
    int status = 0;
    alarm(10);
    while (wait(&status) < 0 && errno == EINTR) continue;
    exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
  }
  app_length += n;
  size_t at = 0;
  while (app_length - at >= 4) {
    size_t length = 4 + (size_t)get32(from_app + at);
    if (length < 9 || length > MAX_PACKET) {
      fprintf(stderr, "mount-relay: no SFTP packet: %zu bytes\n", length);
      exit(1);
    }
    if (app_length - at < length) break;
    /* Its INIT is answered from the server's answer to ours. */
    if (from_app[at + 4] != INIT) {
      struct request *r = malloc(sizeof *r + length);
      if (!r) die("memory");
      r->next = NULL;
      r->length = length;
      memcpy(r->bytes, from_app + at, length);
      *last = r;
      last = &r->next;
      unanswered += length;
      count++;
      if (state == UP && !sending) sending = r, sent = 0;
    }
    at += length;
  }
  memmove(from_app, from_app + at, app_length - at);
  app_length -= at;
}

static void give_replies(void) {
  while (in_start < in_whole) {
    ssize_t n = write(app, in + in_start, in_whole - in_start);
    if (n < 0) return; /* full, or closed: reading tells */
    in_start += n;
  }
  memmove(in, in + in_whole, in_end - in_whole);
  in_end -= in_whole;
  in_start = in_whole = 0;
}

static void on_usr1(int signal) {
  (void)signal;
  nudged = 1;
}

static int start(char **command) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) die("socketpair");
  pid_t parent = getpid(), pid = fork();
  if (pid < 0) die("fork");
  if (pid == 0) {
    /* Without the relay sshfs must not live on: at its own pace it would take down the mount made after it. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    dup2(pair[1], 0);
    dup2(pair[1], 1);
    /* `@`: at shutdown systemd ends it after all programs that may have files open here, not with them. */
    char *name = malloc(strlen(command[0]) + 2), *program = command[0];
    sprintf(name, "@%s", program);
    command[0] = name;
    execvp(program, command);
    fprintf(stderr, "mount-relay: %s: %s\n", program, strerror(errno));
    _exit(127);
  }
  close(pair[1]);
  fcntl(pair[0], F_SETFL, O_NONBLOCK);
  return pair[0];
}

int main(int argc, char **argv) {
  sigset_t usr1, usual;
  if (argc < 3) {
    fprintf(stderr, "usage: mount-relay PORT PROGRAM ARGUMENT...\n");
    return 2;
  }
  port_path = argv[1];
  signal(SIGPIPE, SIG_IGN);
  app = start(argv + 2);
  sigemptyset(&usr1);
  sigaddset(&usr1, SIGUSR1);
  sigprocmask(SIG_BLOCK, &usr1, &usual);
  sigdelset(&usual, SIGUSR1);
  struct sigaction act = {.sa_handler = on_usr1};
  sigaction(SIGUSR1, &act, NULL);

  for (;;) {
    if (state == AWAY && host_is_there()) ask();
    if (nudged && state == UP) ask();
    nudged = 0;
    if (state == ASKING && now_ms() - asked_at > ANSWER_MS) {
      /* Closing the port tells the host to expect an INIT, whatever it takes itself to be in the middle of. */
      close(port);
      port = -1;
      state = AWAY;
      continue;
    }
    push();
    give_replies();

    int for_port = state != AWAY && (control_at < control_length || (state == UP && sending));
    struct pollfd fds[2] = {
      {.fd = app, .events = (unanswered < MAX_UNANSWERED ? POLLIN : 0) | (in_start < in_whole ? POLLOUT : 0)},
      {.fd = state == AWAY ? -1 : port, .events = (in_end < BUFFER ? POLLIN : 0) | (for_port ? POLLOUT : 0)},
    };
    int ms = state == AWAY ? LOOK_MS : state == ASKING ? ANSWER_MS : -1;
    struct timespec wait = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    if (ppoll(fds, 2, ms < 0 ? NULL : &wait, &usual) < 0) continue;
    if (fds[0].revents & (POLLIN | POLLHUP | POLLERR)) take_requests();
    if (fds[1].revents & (POLLIN | POLLHUP | POLLERR)) pull();
    if (fds[1].revents & (POLLHUP | POLLERR) && state != AWAY) host_went();
  }
}
