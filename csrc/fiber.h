/*
 * fiber.h - coroutines of other C libraries, made safe for Go.
 *
 * C code on a coroutine of ucontext, boost.context, libpcl and the like may call
 * Go, and Go may call C that switches to another such coroutine.  But Go knows
 * threads only: as it is, the Go frames of all coroutines of a thread lie on one
 * goroutine's stack, in the order in which the calls were made, and as soon as
 * the calls do not return in the opposite order, memory is corrupted.
 *
 * So say which stack runs.  Each foreign coroutine gets a *fiber*, by which Go
 * has a goroutine of its own for it.  Three calls:
 *
 *     glet_fiber *f, *back = glet_fiber_current();
 *     int e = glet_fiber_new(&f, stack, size);  // its stack: make the coroutine
 *
 *     e = glet_fiber_switch(f);                 // just before the switch to it,
 *     swapcontext(&here, &there);               // and the switch itself
 *     ...
 *     e = glet_fiber_switch(back);              // on the coroutine: and back
 *     swapcontext(&there, &here);
 *
 *     e = glet_fiber_free(f);                   // when it will never run again
 *
 * From the announcement to the end of the library's switch the thread is neither
 * here nor there: no Go function may be called in between.  In particular both
 * belong into one C function; two cgo calls, one for each, do not do.  This is the
 * one mistake that cannot be told of: the C function that announces a switch and
 * returns to Go without it crashes there, since Go takes the thread for the other
 * one.  An announcement that C follows by another one is GLET_ESTACK.
 *
 * Greenlets.  A greenlet may switch while a fiber runs in it, from a Go function
 * called there.  It is suspended with the fiber as the one that runs, and goes on
 * so.  No other greenlet can run that fiber meanwhile; once it has been left by an
 * announcement, any greenlet of the thread can go on with it.  Fibers need no
 * greenlets, though: a goroutine that is locked to its thread will do, and so will
 * a thread that C made.
 *
 * A library that keeps "the current coroutine" in a variable of the thread (libpcl)
 * does not notice when greenlets switch.  Use its coroutines from one greenlet, or
 * switch greenlets only where that variable says the same for both.
 *
 * A greenlet tree that began by itself, without Run, has locked the goroutine that
 * began it, which may be a fiber's.  It ends when that one is done with greenlets, and
 * not when another fiber ends the last of them.
 *
 * A greenlet's own fiber is that of the stack that C runs on.  Between two calls of C
 * from Go the greenlet need not have one, and may get another one: ask in each call
 * (glet_fiber_current), and do not keep it from one to the next.
 *
 * Traces.  While an execution trace is written each announcement goes by way of Go, and
 * takes longer.  The library sees by the trace's buffer whether there is one; a thread
 * that has been in C as the tracer took its buffers, once a second, looks as if there
 * were none, and if it announces a switch before it has called Go again, that trace may
 * not be readable.  On the portable engine no trace is readable in which fibers call Go.
 *
 * Panics.  A panic in a Go function called on a fiber must be recovered there:
 * nobody below could, and it ends the process, as on any thread that C made.  The
 * same holds for runtime.Goexit.
 *
 * Threads.  A fiber belongs to the thread that made it.  All calls about it come
 * from that thread, and it must be freed before the thread ends, or Go keeps its
 * goroutine (on the portable engine an M, too) for ever.
 *
 * Errors.  A GLET_ code of coro.h; unless it is GLET_OK, nothing has changed.
 */
#ifndef GLET_FIBER_H
#define GLET_FIBER_H

#ifndef __linux__
#error "the C core of package greenlet is written for Linux; greenlets in Go are there everywhere"
#endif

#include "coro.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct glet_fiber glet_fiber;

/*
 * Makes a fiber for a coroutine that runs on the `size` bytes from `stack` on.
 * NULL and 0 where the library does not tell: then every call of Go from there
 * costs a little more, needs 32 KiB of stack below it, and mistakes are not noticed.
 *
 * GLET_ENULL out is NULL; GLET_ESIZE one of stack and size is 0, or size is below
 * 16 KiB, on which Go cannot run; GLET_ENOMEM; GLET_EWORD this platform is not
 * supported.
 */
int glet_fiber_new(glet_fiber **out, void *stack, size_t size);

/*
 * Announces that the library's next switch is to `to`.  Takes some 10 ns, and
 * now and then calls Go, which needs the room of any call of Go.
 *
 * GLET_ENULL to is NULL; GLET_EFREED; GLET_ETHREAD; GLET_EDONE it ran in a greenlet
 * that was suspended and has been given up since; GLET_EBUSY it is the current
 * one, or is running in a suspended greenlet; GLET_ESTACK the caller is not on the
 * stack of the current one: a switch was not announced, or an announcement was not
 * followed by its switch; GLET_ENOMEM and GLET_EKEY (see errno) the thread's first
 * one, without memory or a thread-local key: the next try may succeed.
 */
int glet_fiber_switch(glet_fiber *to);

/*
 * Frees a fiber that does not run.  Its coroutine's stack may be freed before or
 * after.  Go functions that are suspended on it are given up: their deferred calls
 * never run.  On the portable engine (see Runtime in package greenlet) that
 * cannot be done, and it is GLET_EFRAMES: let them return first.
 *
 * GLET_ENULL; GLET_EFREED (as long as its memory serves no other fiber);
 * GLET_ETHREAD; GLET_EBUSY it runs, or is a greenlet's or the thread's own.
 */
int glet_fiber_free(glet_fiber *f);

/*
 * The fiber that runs.  That of the stack that the greenlet or thread began with,
 * if no other one was announced; it is not to be freed.  NULL only without memory
 * or a thread-local key.
 */
glet_fiber *glet_fiber_current(void);

/*
 * Patterns. What to announce depends on what is known of the library's switches
 * (docs/c-interop.md has each, and an example).
 *
 * Exact: both sides of each switch are known.  Announce the other one just before it, as
 * above: ucontext, boost.context, libpcl, PHP's fibers.
 *
 * Hub: the library has a scheduler, and a call that waits goes on with nobody knows whom
 * (State Threads, Pth, boost.fiber).  Each of its threads has a fiber, and there is one
 * more for the OS thread, the hub, which is nobody's, and made with NULL and 0.  Around each
 * call that may let others run:
 *
 *     glet_fiber *self;
 *     int e = glet_fiber_leave(hub, &self);     // the scheduler's from here,
 *     st_usleep(1000);
 *     if (e == GLET_OK) e = glet_fiber_switch(self);   // and ours again
 *
 * A thread of the library's begins with glet_fiber_switch(its fiber), and ends with
 * glet_fiber_switch(hub).  As long as it is the hub that runs, no Go function may be called.
 *
 * Boundary: a language, whose fibers switch wherever its code says (Ruby).  The hub is what
 * runs as long as that code does.  A C function that it calls, and that calls Go, names the
 * fiber that it is called on for so long, and one that Go calls, and that goes back into
 * that language, leaves to the hub for so long.
 */

/* Announces the hub, and tells who has left, to be announced when it goes on. Codes are those
 * of glet_fiber_switch; GLET_EBUSY: it is the hub that runs already. */
static inline int glet_fiber_leave(glet_fiber *hub, glet_fiber **self)
{
    *self = glet_fiber_current();
    return *self == NULL ? GLET_ENOMEM : glet_fiber_switch(hub);
}

#ifdef __cplusplus
}
#endif
#endif
