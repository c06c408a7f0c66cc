/*
 * word.h - one word of thread-local memory that travels with the coroutine.
 *
 * A language runtime that knows its threads by a thread-local word (Go: g) must
 * see the word of the coroutine that runs.  The core saves and restores it at
 * every switch like a callee-saved register.  A fresh coroutine has NULL there,
 * which to Go says "a thread that you have never seen".
 */
#ifndef GLET_WORD_H
#define GLET_WORD_H

#include "coro.h"

#include <stddef.h>
#include <stdint.h>

/*
 * What stands for no word: a distance at which none is. On amd64 and arm64 nothing of a
 * thread's block is where the thread pointer points; elsewhere the first word can be.
 */
#if defined(__x86_64__) || defined(__aarch64__)
#define GLET_NO_WORD 0
#else
#define GLET_NO_WORD PTRDIFF_MIN
#endif

/* The word's distance from the thread pointer, in bytes, or GLET_NO_WORD. */
extern ptrdiff_t glet_word_offset; /* as in coro.h */

/*
 * The calling thread's word for the coroutine that runs. It is for an engine that puts
 * a coroutine's stack in place without a switch (internal/gort), and says so here.
 */
glet_coro **glet_coro_current_word(void);

/* The word of a coroutine that does not run. */
void *glet_coro_word(const glet_coro *c);

/* Calls visit for each coroutine of the calling thread that has not finished, its own stack's first. */
void glet_coro_each(void (*visit)(void *arg, glet_coro *c), void *arg);

/* Where on its C stack a coroutine that does not run was left. */
void *glet_coro_saved_sp(const glet_coro *c);

/* The registers of a coroutine that does not run, if they are elsewhere than on its stack; else NULL. */
void *glet_coro_saved_registers(const glet_coro *c, size_t *size);

/* What a fiber has on the engine of one M, while another one runs; see fiber_onem.c. */
struct glet_parked {
    char *g;             /* the goroutine to go on with */
    uintptr_t bounds[4]; /* g0.stack and guards */
    uintptr_t sp;        /* g0.sched.sp */
    uintptr_t bp;        /* g.syscallbp */
    uint64_t locks;      /* m.lockedExt and lockedInt */
    int32_t ncgo;        /* m.ncgo */
    uint8_t accurate;    /* m.g0StackAccurate */
};

/*
 * A foreign coroutine, or the stack that a coroutine of ours began with, by the
 * word that it has while another one runs.  See fiber.c.
 */
struct glet_fiber {
    void *word;                /* portable engine */
    struct glet_parked parked; /* engine of one M, */
    char *made;                /* and the goroutine that was made for it; NULL: for no own one */
    char *lo, *hi;           /* its stack; NULL: not known */
    char *sp;                /* of the announcement by which it was left */
    uint64_t thread;         /* 0: it was freed */
    glet_coro *home;         /* where it runs; NULL: nowhere */
    int lost;                /* it ran in a coroutine that was given up */
    struct glet_fiber *next; /* among those that were freed */
};

/* What runs in a coroutine. */
struct glet_fibers {
    struct glet_fiber *own;     /* its own stack; NULL as long as nobody asked */
    struct glet_fiber *running; /* a foreign one; NULL: its own */
};

struct glet_fibers *glet_coro_fibers(glet_coro *c);

/* Called with a coroutine's own fiber when its stack is given back. */
extern void (*glet_fiber_own_gone)(struct glet_fiber *own);

/*
 * A suspended coroutine, of which nothing will run again, goes back to its own
 * stack: the fiber that runs in it is lost, and can only be freed.
 */
void glet_coro_leave_fiber(glet_coro *c);

static inline char *glet_thread_pointer(void)
{
#if defined(__x86_64__)
    char *tp;
    __asm__("movq %%fs:0, %0" : "=r"(tp)); /* word 0 of the block is its address */
    return tp;
#elif defined(__powerpc64__)
    char *tp; /* which is 28 KiB beyond the block, as offsets from it are reckoned */
    __asm__("mr %0, 13" : "=r"(tp));
    return tp;
#else
    return __builtin_thread_pointer();
#endif
}

static inline void *glet_word_load(void)
{
    if (glet_word_offset == GLET_NO_WORD)
        return NULL;
#if defined(__x86_64__)
    void *w;
    __asm__ volatile("movq %%fs:(%1), %0" : "=r"(w) : "r"(glet_word_offset) : "memory");
    return w;
#else
    return *(void *volatile *)(glet_thread_pointer() + glet_word_offset);
#endif
}

static inline void glet_word_store(void *w)
{
    if (glet_word_offset == GLET_NO_WORD)
        return;
#if defined(__x86_64__)
    __asm__ volatile("movq %0, %%fs:(%1)" : : "r"(w), "r"(glet_word_offset) : "memory");
#else
    *(void *volatile *)(glet_thread_pointer() + glet_word_offset) = w;
#endif
}

/* Stores the word in *from and takes *to for it, in this order: they may be the same. */
static inline void glet_word_exchange(void **from, void *const *to)
{
    ptrdiff_t at = glet_word_offset;
    if (at == GLET_NO_WORD)
        return;
    void *w;
#if defined(__x86_64__)
    __asm__ volatile("movq %%fs:(%1), %0" : "=r"(w) : "r"(at) : "memory");
    *from = w;
    w = *to;
    __asm__ volatile("movq %0, %%fs:(%1)" : : "r"(w), "r"(at) : "memory");
#else
    void *volatile *word = (void *volatile *)(glet_thread_pointer() + at);
    w = *word;
    *from = w;
    *word = *to;
#endif
}

#endif
