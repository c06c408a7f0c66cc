/*
 * go.h - the one part of the core that knows Go.
 *
 * To the Go runtime every coroutine is a C thread of its own.  When C calls an
 * exported Go function and the thread-local word g is nil, the runtime takes the
 * caller for a thread that it has never seen: needm (proc.go) gives it an extra
 * M, with a goroutine and with the stack it finds itself on as the M's g0.  The
 * core makes g travel with the coroutine (word.h), so that each coroutine has an
 * M and a goroutine of its own, and the thread has as many as it has coroutines.
 *
 * A *worker* is such a coroutine: stack, M and goroutine.  It calls Go once and
 * stays there until it is retired.
 *
 * This is the portable engine. It knows nothing of the runtime's structs, and what
 * cannot be done without that is not done: a switch does not take the P along, so who
 * goes on may have to wait for one; a worker that is given up, with frames on its
 * stacks, is lost; all Ms of a thread have the thread's number, in an execution trace,
 * too, which then cannot be read; each has a profile timer of the thread's time; and
 * of a preemption signal that finds another M in place, its own is not told.
 */
#ifndef GLET_GO_H
#define GLET_GO_H

#include "coro.h"
#include <stdint.h>

/* What Go hands in, once, before the first worker. */
typedef struct {
    void (*enter)(uintptr_t worker);       /* exported: the life of a worker */
    void (*thread_exit)(uintptr_t thread, int elsewhere); /* exported: the thread ends; or has ended, and this is another one */
    void *getstackbound;                   /* runtime/cgo's own two hooks, */
    void *bindm;                           /* which ours pass calls on to  */
    int (*has_frames)(void);               /* exported: are there Go frames below the caller's? */
    size_t tree_current, greenlet_core, core_name, core_id; /* where the name of who runs is, from the first local word */
} glet_go_calls;

void glet_go_init(const glet_go_calls *calls);

/* Ours, to be put into runtime.{_cgo_getstackbound,_cgo_bindm}. */
void *glet_go_getstackbound(void);
void *glet_go_bindm(void);

/*
 * Finds g.  `hint` is its distance from the thread pointer where Go's assembler
 * can tell (amd64); 0 makes the core search the executable's thread-local block.
 * glet_go_verify_word, called from a second goroutine on another thread, shows
 * that the place is right: GLET_OK or GLET_EWORD.
 */
int glet_go_find_word(intptr_t hint, void *g);
int glet_go_verify_word(void *g);

/*
 * Writes the g to compare with: what is in the register where Go has it, or NULL where there
 * is none. It has to be called by runtime.cgocall itself: cgo's wrapper, in between, may have
 * something else in that register.
 */
int glet_go_g(void *out);

/* The place that was found: g's distance from the thread pointer. */
intptr_t glet_go_word_offset(void);

/*
 * Two thread-local words for Go: the tree whose greenlets run on this thread,
 * and the thread's record.  Their distance from the thread pointer, in bytes.
 */
intptr_t glet_go_local_offset(void);
void *glet_go_local(int i);
void glet_go_local_set(int i, void *v);

/*
 * From now on calls.thread_exit(thread) is made when the calling thread ends. With
 * `elsewhere` it is made on another thread, if it is a thread of Go's that ends: then none
 * of its coroutines may have an M.
 */
int glet_go_attach(uintptr_t thread, int elsewhere);

/* Called first of all by what calls.enter calls in Go. */
void glet_go_entered(void);

/* A worker that will call calls.enter(worker) at the first switch to it. */
int glet_go_worker_new(glet_coro **out, size_t stack_size, uintptr_t worker);

/*
 * Switches to a worker that returns from calls.enter as soon as it goes on; when
 * it has, its M goes back to the runtime (dropm) and its stack is freed.
 */
int glet_go_retire(glet_coro *worker);

/* From now on, overflows of greenlets' C stacks are explained; see overflow.h. 0 or an errno. */
int glet_go_explain_overflows(void);

/*
 * For fiber.c. Makes sure that what is above has been called: GLET_OK or
 * GLET_EWORD.
 */
int glet_go_ready(void);

/*
 * Gives the M of that word, which is no longer one of any coroutine or fiber that
 * can run, back to the runtime: GLET_OK, or GLET_EFRAMES if its goroutine has frames.
 */
int glet_go_drop(void *word);

#endif
