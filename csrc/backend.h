/*
 * backend.h - what coro.c asks of the code that switches stacks.
 *
 * Two backends: a hand-written one per CPU (switch_*.S) and
 * ucontext for all others, or where the build tag greenlet_ucontext asks for it.
 */
#ifndef GLET_BACKEND_H
#define GLET_BACKEND_H

#if !defined(GLET_UCONTEXT) && !defined(__x86_64__) && !defined(__aarch64__) && !(defined(__riscv) && __riscv_xlen == 64)
#define GLET_UCONTEXT 1
#endif

#ifdef GLET_UCONTEXT
#include <ucontext.h>
typedef struct { ucontext_t *at; } glet_context; /* on the stack that it is of */
#else
typedef struct { void *sp; } glet_context;
#endif

/*
 * Prepares ctx so that the first switch to it calls glet_coro_main(self) on the
 * stack [lo, hi).
 */
void glet_context_init(glet_context *ctx, void *lo, void *hi, void *self);

/* Where every fresh context begins; in coro.c.  Does not return. */
void glet_coro_main(void *self);

#ifdef GLET_UCONTEXT
int glet_context_switch(const glet_context *to, glet_context *from);
#define glet_context_switch_alike glet_context_switch
#else
/*
 * In assembly: store the stack pointer in *from and go on at *to.  They return 0. On
 * amd64 these are the beginning of a record with more; see there.
 */
int glet_jump(void *const *to, void **from);
int glet_jump_alike(void *const *to, void **from);
/* In assembly: the first return address of a fresh stack. */
void glet_start(void);

static inline int glet_context_switch(const glet_context *to, glet_context *from)
{
    return glet_jump(&to->sp, &from->sp);
}

static inline int glet_context_switch_alike(const glet_context *to, glet_context *from)
{
    return glet_jump_alike(&to->sp, &from->sp);
}
#endif

#endif
