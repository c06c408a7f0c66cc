/* go_thread.h - what Go keeps with an OS thread: two words, and a call when it ends; in go_thread.c. */
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
 * From now on greenletThreadExit(thread, 0) is called when the calling thread ends: GLET_OK,
 * or GLET_EKEY with errno. With `elsewhere` another thread calls it, greenletThreadExit(thread,
 * 1), if the one that ends is Go's own; then none of its coroutines may have an M.
 */
int glet_go_thread_attach(uintptr_t thread, int elsewhere);

#endif
