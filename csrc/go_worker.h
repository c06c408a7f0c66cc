/*
 * go_worker.h - workers, the coroutines of the portable engine; in go_worker.c.
 *
 * A worker is a stack, an extra M and a goroutine (go_m.h). It calls Go once, and stays
 * there until it is retired.
 *
 * The portable engine knows nothing of the runtime's structs, and leaves undone what cannot
 * be done without. A switch does not take the P along, so whoever goes on may have to wait
 * for one. A worker that is abandoned with frames on its stacks is lost memory. All Ms of a
 * thread have the thread's number, in execution traces, too, which cannot be read then. Each
 * of them has a profile timer for the thread's time. A preemption signal that finds another
 * M in place is not passed on to its own.
 */
#ifndef GLET_GO_WORKER_H
#define GLET_GO_WORKER_H

#include "coro.h"
#include <stdint.h>

/* Makes a worker that will call greenletEnter(worker) at the first switch to it. */
int glet_go_worker_new(glet_coro **out, size_t stack_size, uintptr_t worker);

/* Called by greenletEnter first of all: the worker has its M. */
void glet_go_worker_entered(void);

/*
 * Switches to a worker that returns from greenletEnter as soon as it goes on. When it has
 * returned, its M is given back and its stack freed.
 */
int glet_go_worker_retire(glet_coro *worker);

#endif
