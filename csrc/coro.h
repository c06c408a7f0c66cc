/*
 * coro.h - symmetric coroutines with stacks of their own.
 *
 * A coroutine is a C function that runs on its own stack.  Any coroutine may
 * switch to any other one of the same thread; the one that switches stops
 * right there, in the middle of whatever it was doing, and goes on from there
 * when somebody switches back to it.  There is no scheduler.
 *
 *     static glet_coro *body(void *arg) {
 *         glet_coro *back = arg;
 *         puts("in the coroutine");
 *         glet_coro_switch(back);          // to main, and later back here
 *         puts("again");
 *         return back;                     // finished; main goes on
 *     }
 *
 *     int main(void) {
 *         glet_coro *c;
 *         int e = glet_coro_new(&c, 0, body, glet_coro_current());
 *         if (e != GLET_OK) { fputs(glet_text(e), stderr); return 1; }
 *         glet_coro_switch(c);
 *         glet_coro_switch(c);
 *         return glet_coro_free(c);
 *     }
 *
 * Threads.  Every thread has a coroutine from the start: its own stack, which
 * glet_coro_current() returns as long as nobody has switched.  It is never
 * freed.  A coroutine belongs to the thread that made it and runs nowhere
 * else; all calls about it come from that thread.
 *
 * Errors.  Every function that can fail returns one of the GLET_ codes, of
 * which GLET_OK is 0, and then has changed nothing.  Where the system refused
 * something, errno says why.  glet_text() gives the code's meaning.
 *
 * Stacks.  Sizes are in bytes and are rounded up to whole pages, and to
 * GLET_STACK_FLOOR if they are below it; 0 means GLET_STACK_DEFAULT.  Memory
 * is only taken as the stack is used.  Below each stack lies a guard: running over
 * the end is a SIGSEGV, not a corruption.
 *
 * This file is the C core's public face; fiber.h is for coroutines of others.
 * The core is used by package greenlet for Go but knows nothing of it; see go.h
 * for the one file that does.
 */
#ifndef GLET_CORO_H
#define GLET_CORO_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The least usable stack.  Code of the Go runtime runs on these stacks when C
 * calls Go, and it expects 32 KiB where it knows nothing (cgocall.go,
 * callbackUpdateSystemStack).  The race detector and unoptimised builds need
 * more than that, so the floor is twice as much.
 */
#define GLET_STACK_FLOOR   ((size_t)64 << 10)
#define GLET_STACK_DEFAULT ((size_t)256 << 10)
/*
 * The guard: a function with a frame up to this size cannot step over it.  Its pages and
 * those of the default are an odd number, since at an even distance many stacks would
 * compete for the same sets of a cache.
 */
#define GLET_STACK_GUARD   ((size_t)60 << 10)
/* A larger stack is taken for a mistake: GLET_ESIZE. */
#define GLET_STACK_MAX     ((size_t)1 << 30)

enum {
    GLET_OK = 0,
    GLET_ENULL,     /* an argument is NULL that must not be                */
    GLET_ESIZE,     /* the stack is too small, or over GLET_STACK_MAX      */
    GLET_ENOMEM,    /* no memory or address space for a stack; see errno   */
    GLET_EGUARD,    /* the guard could not be made; see errno              */
    GLET_ETHREAD,   /* the coroutine belongs to another thread             */
    GLET_EDONE,     /* the coroutine has finished                          */
    GLET_EBUSY,     /* the coroutine is the current one or a thread's own  */
    GLET_EKEY,      /* no thread-local key left; see errno                 */
    GLET_EWORD,     /* Go's thread word was not found on this platform     */
    GLET_EFREED,    /* fiber.h: it was freed                               */
    GLET_ESTACK,    /* fiber.h: not on the stack of the announced fiber    */
    GLET_EFRAMES    /* fiber.h: Go functions are suspended on the fiber    */
};

/* What a code means, in words; never NULL, not to be freed. */
const char *glet_text(int code);

typedef struct glet_coro glet_coro;

/*
 * A coroutine's body.  When it returns, the coroutine has finished and the one
 * that it returned goes on; if that one cannot (NULL, finished, of another
 * thread), the thread's own does.
 */
typedef glet_coro *(*glet_body)(void *arg);

/* Makes a coroutine that will run body(arg) at the first switch to it. */
int glet_coro_new(glet_coro **out, size_t stack_size, glet_body body, void *arg);

/*
 * Switches to a coroutine; returns when somebody switches back.  To the current
 * one: returns at once.  Callee-saved registers and the floating-point control
 * words (MXCSR and x87 on amd64, FPCR on arm64) belong to the coroutine; the
 * signal mask, errno and everything else belong to the thread.  (The ucontext
 * backend switches the signal mask too, at the price of two system calls.)
 */
int glet_coro_switch(glet_coro *to);

/*
 * The same. It is faster where those who switch have all been called by the same
 * code, and through many functions, and slower elsewhere: a matter of how the
 * processor predicts returns.
 */
int glet_coro_switch_alike(glet_coro *to);

/* The running coroutine; never NULL. Of NULL the questions below say 0 or NULL. */
glet_coro *glet_coro_current(void);

/* Non-zero for a thread's own coroutine, which nobody made. */
int glet_coro_is_root(const glet_coro *c);

/* Non-zero when the coroutine's body has returned. */
int glet_coro_finished(const glet_coro *c);

/*
 * Makes a suspended coroutine begin anew, as if body(arg) had been given to
 * glet_coro_new; nothing of what was on its stack runs any more.  Not the current
 * one and not a thread's own (GLET_EBUSY).
 */
int glet_coro_restart(glet_coro *c, glet_body body, void *arg);

/*
 * Gives the stack back.  The coroutine may be fresh, suspended (what its frames
 * hold is lost then, nothing of them runs any more) or finished, but not the
 * current one (GLET_EBUSY).
 */
int glet_coro_free(glet_coro *c);

/* The coroutine's stack: lowest usable address and the one past the highest. */
void glet_coro_bounds(const glet_coro *c, void **lo, void **hi);

/*
 * How deep the coroutine's stack has been used: the bytes from its upper end down to
 * the lowest page that is resident. Stacks serve one coroutine after the other, and
 * keep their pages. 0 for a thread's own. Fails with GLET_ENULL, or GLET_ENOMEM when the
 * kernel does not tell; see errno.
 */
int glet_coro_stack_used(const glet_coro *c, size_t *out);

/*
 * Gives back the memory of a coroutine's stack but for the uppermost `keep` bytes:
 * glet_coro_stack_used begins anew.  All its frames must be in these, if it is
 * suspended; if it is the current one, as much more is kept as it needs.  A wish:
 * where the kernel refuses it, as for locked memory, nothing happens.
 */
void glet_coro_trim_stack(glet_coro *c, size_t keep);

/* What the stack allocator holds, for the whole process. */
typedef struct {
    size_t stacks;     /* stacks in use                                */
    size_t slabs;      /* mappings that they are cut from              */
    size_t reserved;   /* address space of those mappings, in bytes    */
    int    guard_kind; /* 0 none made yet, 1 MADV_GUARD_INSTALL, 2 mprotect */
} glet_usage;

void glet_stack_usage(glet_usage *out);

/* "amd64", "arm64" or "ucontext": what switches the stacks. */
const char *glet_backend(void);

#ifdef __cplusplus
}
#endif
#endif
