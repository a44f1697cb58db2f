/*
 * Replies that the host's server gives before they are asked for. Each round trip to the host costs milliseconds, and what
 * sshfs asks next is mostly known: after the attributes of one file of a folder those of the next, after an open of a small
 * file its data. A hint says: should this request come, that is the reply. It counts for LIFE_MS, as long as the guest's
 * kernel itself trusts what it was told, and is forgotten as soon as a request goes out that may change it.
 *
 * The server took it from the host's files when it did the request that it comes with, after all changes that were sent before.
 * So it counts only when the guest has sent none since. And nothing older follows something newer: the kernel takes a file's
 * new time for new content, and would keep old content that comes after it.
 *
 * Of a folder the server may tell all names. Then what has another one is not there, unless the guest has made it since.
 */
#include "basics.h"
#include "hints.h"
#include <stdlib.h>
#include <string.h>

enum {
  LIFE_MS = 500,
  BUCKETS = 4096,
  MOST = 16384,             /* hints */
  MOST_BYTES = 16 << 20,
  /* SFTP packet types, draft-ietf-secsh-filexfer-02 section 3 */
  OPEN = 3, CLOSE = 4, READ = 5, WRITE = 6, LSTAT = 7, FSTAT = 8, SETSTAT = 9, FSETSTAT = 10, OPENDIR = 11, READDIR = 12,
  REMOVE = 13, MKDIR = 14, RMDIR = 15, REALPATH = 16, STAT = 17, RENAME = 18, READLINK = 19, SYMLINK = 20, HANDLE = 102,
  EXTENDED = 200,
  MADE = 255,               /* no packet: the guest may have made this path since its folder's names were told */
  HEAD = 9,                 /* bytes before a packet's body: length, type, id */
  CREAT = 8,
  OPENS_FOR_CHANGE = 2 | 4 | 8 | 16, /* WRITE, APPEND, CREAT, TRUNC, section 6.3 */
};

/* A run of bytes somewhere in a packet. */
struct bytes { const unsigned char *at; size_t length; };

struct hint {
  struct hint *next;        /* in its bucket */
  struct hint *younger;
  int64_t until;
  size_t path, tail, reply; /* lengths of the three in `bytes`, which follow each other */
  unsigned char bytes[];
};

/* The path that an open handle was opened by. */
struct opened {
  struct opened *next;
  size_t handle, path;
  unsigned char bytes[];
};

static struct hint *buckets[BUCKETS], *oldest, **youngest = &oldest;
static struct opened *handles[BUCKETS];
static size_t count, total, handles_open;
static uint64_t changes_sent;

/* Takes a string (RFC 4251 section 5) off the front of `rest`. Gives whether there was one. */
static int take(struct bytes *rest, struct bytes *string) {
  if (rest->length < 4) return 0;
  size_t length = get32(rest->at);
  if (rest->length - 4 < length) return 0;
  *string = (struct bytes){rest->at + 4, length};
  rest->at += 4 + length, rest->length -= 4 + length;
  return 1;
}

static int same(struct bytes a, const unsigned char *at, size_t length) {
  return a.length == length && memcmp(a.at, at, length) == 0;
}

static int is(struct bytes a, const char *text) {
  return same(a, (const unsigned char *)text, strlen(text));
}

/* FNV-1a */
static unsigned bucket_of(struct bytes key) {
  uint32_t hash = 2166136261u;
  for (size_t i = 0; i < key.length; i++) hash = (hash ^ key.at[i]) * 16777619u;
  return hash % BUCKETS;
}

static void drop_oldest(void) {
  struct hint *hint = oldest;
  struct hint **at = &buckets[bucket_of((struct bytes){hint->bytes, hint->path})];
  while (*at && *at != hint) at = &(*at)->next;
  if (*at) *at = hint->next;
  oldest = hint->younger;
  if (!oldest) youngest = &oldest;
  count--;
  total -= hint->path + hint->tail + hint->reply;
  free(hint);
}

static void drop_expired(void) {
  for (int64_t now = now_ms(); oldest && oldest->until <= now;) drop_oldest();
}

static void forget_all(void) {
  while (oldest) drop_oldest();
}

static void forget(struct hint *hint) {
  if (hint->bytes[hint->path] != MADE) hint->until = 0;
}

/* Those of one path no longer count, or those for one type of request; their memory goes when their time is over. */
static void forget_type(struct bytes path, unsigned char type) {
  for (struct hint *hint = buckets[bucket_of(path)]; hint; hint = hint->next)
    if (same(path, hint->bytes, hint->path) && (type == 0 || hint->bytes[hint->path] == type)) forget(hint);
}

static void forget_path(struct bytes path) {
  forget_type(path, 0);
}

static struct bytes folder_of(struct bytes path) {
  while (path.length > 0 && path.at[path.length - 1] != '/') path.length--;
  if (path.length > 1) path.length--;
  return path;
}

static int is_below(const unsigned char *at, size_t length, struct bytes path) {
  return length >= path.length && memcmp(at, path.at, path.length) == 0 && (length == path.length || at[path.length] == '/');
}

/* A path, and all below it. */
static void forget_below(struct bytes path) {
  for (struct hint *hint = oldest; hint; hint = hint->younger)
    if (is_below(hint->bytes, hint->path, path)) forget(hint);
}

static struct opened **find_handle(struct bytes handle) {
  struct opened **at = &handles[bucket_of(handle)];
  while (*at && !same(handle, (*at)->bytes, (*at)->handle)) at = &(*at)->next;
  return at;
}

/* The path of a request about a handle; empty when it is not known. */
static struct bytes path_of(struct bytes handle) {
  struct opened *opened = *find_handle(handle);
  return opened ? (struct bytes){opened->bytes + opened->handle, opened->path} : (struct bytes){handle.at, 0};
}

static void forget_handle(struct bytes handle) {
  struct opened **at = find_handle(handle), *opened = *at;
  if (!opened) return;
  *at = opened->next;
  handles_open--;
  free(opened);
}

static void remember_handle(struct bytes handle, struct bytes path) {
  forget_handle(handle);
  struct opened *opened = malloc(sizeof *opened + handle.length + path.length);
  if (!opened) return;
  opened->handle = handle.length, opened->path = path.length;
  memcpy(opened->bytes, handle.at, handle.length);
  memcpy(opened->bytes + handle.length, path.at, path.length);
  struct opened **at = &handles[bucket_of(handle)];
  opened->next = *at;
  *at = opened;
  handles_open++;
}

/* After a rename what was at a path or below it lies elsewhere. */
static void forget_paths_of_handles(struct bytes path) {
  for (int i = 0; i < BUCKETS && handles_open > 0; i++)
    for (struct opened *opened = handles[i]; opened; opened = opened->next)
      if (is_below(opened->bytes + opened->handle, opened->path, path)) opened->path = 0;
}

static void add(struct bytes path, struct bytes tail, struct bytes reply) {
  struct hint *hint = malloc(sizeof *hint + path.length + tail.length + reply.length);
  if (!hint) {
    forget_all();
    return;
  }
  hint->until = now_ms() + LIFE_MS;
  hint->path = path.length, hint->tail = tail.length, hint->reply = reply.length;
  memcpy(hint->bytes, path.at, path.length);
  memcpy(hint->bytes + path.length, tail.at, tail.length);
  memcpy(hint->bytes + path.length + tail.length, reply.at, reply.length);
  struct hint **at = &buckets[bucket_of(path)];
  hint->next = *at;
  *at = hint;
  hint->younger = NULL;
  *youngest = hint;
  youngest = &hint->younger;
  count++;
  total += path.length + tail.length + reply.length;
}

/* A name of a folder goes, or comes. The folder's names are known still, but for this one. */
static void change_name(struct bytes path) {
  static const unsigned char made = MADE;
  forget_path(path);
  forget_type(folder_of(path), LSTAT);
  drop_expired();
  if (count >= MOST) drop_oldest();
  add(path, (struct bytes){&made, 1}, (struct bytes){&made, 0});
}

/* What lies below moves too. */
static void move(struct bytes path) {
  change_name(path);
  forget_below(path);
  forget_paths_of_handles(path);
}

uint64_t hints_request(const unsigned char *packet, size_t length) {
  struct bytes rest = {packet + HEAD, length - HEAD}, first = {packet, 0}, second, third;
  int is_change = 1;
  int has = take(&rest, &first);
  switch (packet[4]) {
  case OPEN:
    if (has && rest.length >= 4 && !(get32(rest.at) & OPENS_FOR_CHANGE)) is_change = 0;
    else if (has && rest.length >= 4 && !(get32(rest.at) & CREAT)) forget_path(first);
    else if (has) change_name(first);
    break;
  case WRITE:
  case FSETSTAT:
    if (has && path_of(first).length > 0) forget_path(path_of(first));
    else forget_all();
    break;
  case SETSTAT:
    if (has) forget_path(first);
    break;
  case REMOVE:
  case MKDIR:
  case RMDIR:
    if (has) change_name(first);
    break;
  case SYMLINK:
    /* The target comes first, as OpenSSH has it (PROTOCOL, section 4.1). */
    if (has && take(&rest, &second)) change_name(second);
    break;
  case RENAME:
    if (has && take(&rest, &second)) move(first), move(second);
    break;
  case EXTENDED:
    if (has && (is(first, "fsync@openssh.com") || is(first, "statvfs@openssh.com") || is(first, "fstatvfs@openssh.com")))
      is_change = 0;
    else if (has && is(first, "posix-rename@openssh.com") && take(&rest, &second) && take(&rest, &third))
      move(second), move(third);
    else if (has && is(first, "write-window@tcolima") && take(&rest, &second) && path_of(second).length > 0)
      forget_path(path_of(second));
    else if (has && is(first, "read-window@tcolima")) is_change = 0;
    else forget_all();
    break;
  case CLOSE:
    if (has) forget_handle(first);
    /* fall through */
  case READ:
  case LSTAT:
  case FSTAT:
  case OPENDIR:
  case REALPATH:
  case STAT:
  case READLINK:
    is_change = 0;
    break;
  case READDIR:
    /* Its reply has attributes too, newer ones. */
    forget_all();
    is_change = 0;
    break;
  default:
    /* What is not known may do anything. */
    forget_all();
  }
  return changes_sent += is_change;
}

void hints_reply(const unsigned char *request, size_t request_length, const unsigned char *reply, size_t length) {
  struct bytes rest = {request + HEAD, request_length - HEAD}, first;
  struct bytes body = {reply + HEAD, length - HEAD}, handle;
  if (!take(&rest, &first)) return;
  /* Its names came with attributes, newer ones than what came before it. */
  if (request[4] == READDIR) forget_all();
  if (request[4] == LSTAT) forget_path(first);
  if (request[4] == FSTAT) forget_path(path_of(first));
  if (request[4] == OPEN && reply[4] == HANDLE && take(&body, &handle)) remember_handle(handle, first);
}

int hints_belong(const unsigned char *lstat, size_t length, const unsigned char *open, size_t open_length) {
  struct bytes a = {lstat + HEAD, length - HEAD}, b = {open + HEAD, open_length - HEAD}, path, other;
  return lstat[4] == LSTAT && open[4] == OPEN && take(&a, &path) && take(&b, &other) && same(path, other.at, other.length);
}

void hints_opened(const unsigned char *open, size_t length) {
  struct bytes rest = {open + HEAD, length - HEAD}, path;
  if (take(&rest, &path)) forget_type(path, LSTAT);
}

void hints_take(uint64_t changes, const unsigned char *packet, size_t length) {
  struct bytes rest = {packet + HEAD, length - HEAD}, path, tail, reply;
  if (changes != changes_sent) return;
  drop_expired();
  while (take(&rest, &path) && take(&rest, &tail) && take(&rest, &reply)) {
    if (tail.length == 0 || reply.length == 0 || reply.length > MAX_HINT - HEAD) continue;
    /* What was read before these attributes were looked at is not to come after them. */
    if (tail.at[0] != READ) forget_type(path, READ);
    if (count >= MOST || total >= MOST_BYTES) drop_oldest();
    add(path, tail, reply);
  }
}

/* A hint's `tail` is the request without its id; of an LSTAT the type alone, since the path stands beside it. */
size_t hints_answer(const unsigned char *packet, size_t length, unsigned char *reply) {
  struct bytes rest = {packet + HEAD, length - HEAD}, first, path;
  unsigned char type = packet[4];
  if (!oldest || (type != LSTAT && type != FSTAT && type != READ) || !take(&rest, &first)) return 0;
  path = type == LSTAT ? first : path_of(first);
  for (struct hint *hint = buckets[bucket_of(path)]; hint; hint = hint->next) {
    const unsigned char *tail = hint->bytes + hint->path;
    if (!same(path, hint->bytes, hint->path) || tail[0] != type) continue;
    if (type != LSTAT && (hint->tail != 1 + length - HEAD || memcmp(tail + 1, packet + HEAD, length - HEAD) != 0)) continue;
    if (hint->until <= now_ms()) continue;
    /* The reply's type, the id, the rest. */
    const unsigned char *known = tail + hint->tail;
    put32(reply, 4 + hint->reply);
    reply[4] = known[0];
    memcpy(reply + 5, packet + 5, 4);
    memcpy(reply + HEAD, known + 1, hint->reply - 1);
    return HEAD + hint->reply - 1;
  }
  return 0;
}

/* The hint for a type of request about a path, or NULL. */
static const struct hint *find_hint(struct bytes path, unsigned char type, int64_t now) {
  const struct hint *hint = oldest ? buckets[bucket_of(path)] : NULL;
  while (hint && !(same(path, hint->bytes, hint->path) && hint->bytes[hint->path] == type && hint->until > now)) hint = hint->next;
  return hint;
}

size_t hints_known(const char *path, unsigned char type, size_t skip, void *buffer, size_t size) {
  const struct hint *hint = find_hint((struct bytes){(const unsigned char *)path, strlen(path)}, type, now_ms());
  if (!hint || hint->reply < skip || hint->reply - skip > size) return 0;
  memcpy(buffer, hint->bytes + hint->path + hint->tail + skip, hint->reply - skip);
  return hint->reply - skip;
}

/* The reply of an OPENDIR that is known: its type, and all names (src/mounts/protocol.ts). */
int hints_absent(const char *path) {
  struct bytes key = {(const unsigned char *)path, strlen(path)}, folder = folder_of(key), name;
  /* One moment for both: what was made since the names were told counts for longer than they do. */
  int64_t now = now_ms();
  const struct hint *hint = find_hint(folder, OPENDIR, now);
  /* The share itself lies in no folder. */
  if (!hint || same(folder, key.at, key.length) || find_hint(key, MADE, now)) return 0;
  size_t length = strlen(strrchr(path, '/') + 1);
  struct bytes wanted = {key.at + key.length - length, length};
  /* Some file systems know a file by several spellings, by its short name of DOS, or by one that they do not list. */
  for (size_t i = 0; i < wanted.length; i++) if (wanted.at[i] >= 0x80 || wanted.at[i] == '~') return 0;
  if (is(wanted, ".zfs")) return 0;
  struct bytes names = {hint->bytes + hint->path + hint->tail + 1, hint->reply - 1};
  while (take(&names, &name)) if (same(name, wanted.at, wanted.length)) return 0;
  return names.length == 0;
}

void hints_forget(void) {
  forget_all();
}
