/* go_thread.h - what Go keeps with an OS thread: two words, and that it learns of its end; in go_thread.c. */
#ifndef GLET_GO_THREAD_H
#define GLET_GO_THREAD_H

#include <stdint.h>

/*
 * Two thread-local words for Go: the tree whose greenlets run on this thread, and the
 * thread's record. Their distance from the thread pointer, in bytes, for assembly; and
 * functions for CPUs without that.
 */
intptr_t glet_go_local_offset(void);
void *glet_go_local(int i);
void glet_go_local_set(int i, void *v);

/*
 * Go is to learn of the end of the calling thread: GLET_OK, or GLET_EKEY or GLET_ENOMEM with
 * errno. greenletThreadExit(thread) is called on it as it ends. But with `later` it is not, if
 * Go made the thread: then glet_go_thread_ended returns `thread` some time, and none of the
 * thread's coroutines may have an M.
 */
int glet_go_thread_attach(uintptr_t thread, int later);

/* Takes one of the threads that have ended since, or 0. Any thread may call it. */
uintptr_t glet_go_thread_ended(void);

/* How many there are to be taken; written and read atomically. */
extern uint32_t glet_go_threads_ended;

#endif
