/*
 * Who in sshfs reads its replies. Its own way is a thread that reads, and wakes the one that waits for the reply. So each reply
 * costs two changes of thread more, and a third in vain: virtio_console wakes who waits at the port also when the host has
 * taken what was written. Under software emulation that is a quarter of a small request's time.
 *
 * Here the thread that waits for a reply reads it itself. sshfs's reader is no thread but a context (makecontext(3)), in which
 * the thread whose turn it is goes on where the one before stopped, until the reader wants more than has come. One has the turn
 * at a time; others whose replies do not come first wait for theirs, or for the turn.
 *
 * One thread more, the keeper, has the turn when nobody waits: for replies that are not waited for, and for what the host says
 * unasked. While others take turns all the time it stands by, since they would have to wake it to get the turn, and looks every
 * STAND_BY_MS whether anything was left.
 */
#define _GNU_SOURCE
#include "turns.h"
#include <dlfcn.h>
#include <elf.h>
#include <poll.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/eventfd.h>
#include <ucontext.h>
#include <unistd.h>

enum { STAND_BY_MS = 10, STACK = 256 * 1024 };

/* A thread that waits until it gets its reply, or the turn. */
struct waiting {
  struct waiting *next;
  sem_t *reply;
  pthread_cond_t called;
};

typedef void *(*routine)(void *);

static int (*next_wait)(sem_t *);
static int (*next_post)(sem_t *);
static int (*next_create)(pthread_t *, const pthread_attr_t *, routine, void *);
static int (*next_cond_wait)(pthread_cond_t *, pthread_mutex_t *);
static int wanted;
/* Where sshfs itself lies, without its libraries. */
static uintptr_t program, program_end;

/* sshfs's reader, and the one that goes on when it is put aside. */
static routine read_replies;
static void *its_argument;
static ucontext_t reader, holder;
/* Set in the thread that is the reader at this moment. */
static pthread_key_t is_reader;

static int taken;                  /* whether somebody has the turn */
static int takers;                 /* whether there are any but the keeper */
static unsigned requests;          /* that were written */
static struct waiting *waiting;
static int call = -1, standing_by; /* an eventfd that ends the keeper's standing by */

/* By its program headers (elf(5)), of which one tells where they lie themselves. */
static void find_program(void) {
  const Elf64_Phdr *parts = (const Elf64_Phdr *)getauxval(AT_PHDR), *end = parts + getauxval(AT_PHNUM);
  uintptr_t moved = 0;
  for (const Elf64_Phdr *part = parts; part < end; part++)
    if (part->p_type == PT_PHDR) moved = (uintptr_t)parts - part->p_vaddr;
  program = UINTPTR_MAX;
  for (const Elf64_Phdr *part = parts; part < end; part++) {
    if (part->p_type != PT_LOAD) continue;
    if (moved + part->p_vaddr < program) program = moved + part->p_vaddr;
    if (moved + part->p_vaddr + part->p_memsz > program_end) program_end = moved + part->p_vaddr + part->p_memsz;
  }
}

/* libfuse waits for its threads by the same means as sshfs for replies. */
static int is_of_program(void *code) {
  return (uintptr_t)code >= program && (uintptr_t)code < program_end;
}

static void start(void) {
  next_wait = (int (*)(sem_t *))dlsym(RTLD_NEXT, "sem_wait");
  next_post = (int (*)(sem_t *))dlsym(RTLD_NEXT, "sem_post");
  next_create = (int (*)(pthread_t *, const pthread_attr_t *, routine, void *))dlsym(RTLD_NEXT, "pthread_create");
  /* x86 has an older one too, for another kind of condition. */
  void *wait = dlvsym(RTLD_NEXT, "pthread_cond_wait", "GLIBC_2.3.2");
  if (!wait) wait = dlsym(RTLD_NEXT, "pthread_cond_wait");
  next_cond_wait = (int (*)(pthread_cond_t *, pthread_mutex_t *))wait;
  if (!next_wait || !next_post || !next_create || !next_cond_wait) abort();
  if (pthread_key_create(&is_reader, NULL) != 0) abort();
  find_program();
}

/* Not a constructor, as in link.c. */
static void prepare(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, start);
}

static void call_keeper(void) {
  static const uint64_t one = 1;
  if (standing_by && write(call, &one, sizeof one) < 0) return; /* full: it comes anyway */
}

/* ---- the reader ---- */

static void run_reader(void) {
  read_replies(its_argument);
  /* It ends when it cannot go on, and the process with it: the guest mounts anew. */
  _exit(1);
}

int turns_put_aside(void) {
  if (!read_replies || !pthread_getspecific(is_reader)) return 0;
  swapcontext(&reader, &holder);
  return 1;
}

/* Lets sshfs read what there is. Under the lock, but not meanwhile. */
static void read_all(void) {
  while (link_has_reply()) {
    pthread_mutex_unlock(&link_lock);
    pthread_setspecific(is_reader, &is_reader);
    swapcontext(&holder, &reader);
    pthread_setspecific(is_reader, NULL);
    pthread_mutex_lock(&link_lock);
  }
}

/* ---- turns ---- */

static int is_here(sem_t *reply) {
  int value;
  return sem_getvalue(reply, &value) == 0 && value > 0;
}

/* The turn goes to one that waits, or to the keeper if anything is left to do. */
static void give_up_turn(void) {
  taken = 0;
  if (waiting) pthread_cond_signal(&waiting->called);
  else if (link_expects()) call_keeper();
}

static void wait_to_be_called(sem_t *reply) {
  struct waiting me = {.reply = reply}, **at = &waiting;
  pthread_cond_init(&me.called, NULL);
  while (*at) at = &(*at)->next;
  *at = &me;
  while (taken && !is_here(reply)) next_cond_wait(&me.called, &link_lock);
  for (at = &waiting; *at != &me;) at = &(*at)->next;
  *at = me.next;
  pthread_cond_destroy(&me.called);
  /* It may have been called for its turn, and has its reply already. */
  if (!taken && is_here(reply)) give_up_turn();
}

static void wait_for(sem_t *reply) {
  pthread_mutex_lock(&link_lock);
  takers = 1;
  while (sem_trywait(reply) != 0) {
    if (taken) {
      wait_to_be_called(reply);
      continue;
    }
    taken = 1;
    for (read_all(); !is_here(reply); read_all()) link_tend();
    give_up_turn();
  }
  pthread_mutex_unlock(&link_lock);
}

/* Takes the turn until some replies have come. Gives whether it was to be had, and there are any to wait for. */
static int wait_for_some(pthread_mutex_t *held) {
  pthread_mutex_lock(&link_lock);
  int mine = !taken && link_expects();
  if (mine) {
    taken = 1;
    /* The reader needs it. */
    pthread_mutex_unlock(held);
    while (!link_has_reply()) link_tend();
    read_all();
    give_up_turn();
  }
  pthread_mutex_unlock(&link_lock);
  if (mine) pthread_mutex_lock(held);
  return mine;
}

static void stand_by(void) {
  struct pollfd look = {.fd = call, .events = POLLIN};
  uint64_t times;
  standing_by = 1;
  pthread_mutex_unlock(&link_lock);
  int called = poll(&look, 1, STAND_BY_MS) > 0;
  pthread_mutex_lock(&link_lock);
  standing_by = 0;
  if (called && read(call, &times, sizeof times) < 0) abort();
  link_push_late();
}

/* The keeper. */
static void *keep(void *unused) {
  pthread_mutex_lock(&link_lock);
  for (unsigned seen = requests;;) {
    if (!taken) {
      taken = 1;
      for (read_all(); link_expects() || requests == seen || !takers; read_all()) link_tend();
      give_up_turn();
    }
    do {
      seen = requests;
      stand_by();
    } while (taken || (requests != seen && !link_expects()));
  }
  return unused;
}

void turns_begin(void) {
  prepare();
  wanted = 1;
}

void turns_sent(int all) {
  requests++;
  if (!all && !taken) call_keeper();
}

int turns_idle(void) {
  return read_replies && !taken;
}

void turns_wait(sem_t *reply) {
  if (read_replies) wait_for(reply);
  else next_wait(reply);
}

void turns_answer(sem_t *reply) {
  next_post(reply);
  for (struct waiting *one = waiting; one; one = one->next)
    if (one->reply == reply) pthread_cond_signal(&one->called);
}

/* ---- what sshfs and libfuse call ---- */

int sem_wait(sem_t *semaphore) {
  prepare();
  if (!read_replies || !is_of_program(__builtin_return_address(0))) return next_wait(semaphore);
  wait_for(semaphore);
  return 0;
}

/* sshfs waits so for replies to its writes, and looks each time whether they are what it waits for. */
int pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex) {
  prepare();
  int ours = read_replies && is_of_program(__builtin_return_address(0));
  return ours && wait_for_some(mutex) ? 0 : next_cond_wait(condition, mutex);
}

/* Of replies only the reader does it. */
int sem_post(sem_t *semaphore) {
  prepare();
  if (!read_replies || !pthread_getspecific(is_reader)) return next_post(semaphore);
  pthread_mutex_lock(&link_lock);
  turns_answer(semaphore);
  pthread_mutex_unlock(&link_lock);
  return 0;
}

/* sshfs makes one thread, its reader; all others are libfuse's. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, routine made, void *argument) {
  prepare();
  if (!wanted || read_replies || !is_of_program((void *)made)) return next_create(thread, attributes, made, argument);
  call = eventfd(0, EFD_CLOEXEC);
  reader.uc_stack.ss_sp = malloc(STACK);
  if (call < 0 || getcontext(&reader) != 0 || !reader.uc_stack.ss_sp) abort();
  reader.uc_stack.ss_size = STACK;
  reader.uc_link = NULL;
  makecontext(&reader, run_reader, 0);
  its_argument = argument;
  read_replies = made;
  int error = next_create(thread, attributes, keep, NULL);
  if (error) read_replies = NULL;
  return error;
}
