//go:build cgo && linux

/*
 * greenlet_stacks.c - greenlet_stacks, for conservative garbage collectors.
 */
#define _GNU_SOURCE
#include "greenlet.h"
#include "coro_internal.h"
#include "fiber_internal.h"

#include <pthread.h>

/* What a library's switch pushes on the stack that it leaves, and more. */
enum { SWITCH_FRAME = 4096 };

struct visit {
    greenlet_stack *visit;
    void *arg;
    char *here; /* the caller's frame */
    char *end;  /* of the thread's own stack */
};

/* The upper end of the thread's own stack; NULL: the C library does not tell. */
static char *thread_stack_end(void)
{
    static __thread char *end; /* glibc reads a file, to say it of a process's first thread */
    pthread_attr_t attr;
    void *lo;
    size_t size;

    if (end != NULL || pthread_getattr_np(pthread_self(), &attr) != 0)
        return end;
    if (pthread_attr_getstack(&attr, &lo, &size) == 0)
        end = (char *)lo + size;
    pthread_attr_destroy(&attr);
    return end;
}

static void one(void *arg, glet_coro *c)
{
    const struct visit *v = arg;
    const struct glet_fiber *foreign = glet_fiber_foreign(c);
    char *lo, *hi, *sp = v->here;

    glet_coro_bounds(c, (void **)&lo, (void **)&hi);
    if (glet_coro_is_root(c))
        hi = v->end;
    if (foreign != NULL) { /* it has left its own stack by an announcement */
        char *left = glet_fiber_own(c)->sp - SWITCH_FRAME;
        v->visit(v->arg, left > lo ? left : lo, hi);
        hi = foreign->hi;
    }
    if (c != glet_coro_current()) {
        size_t size;
        char *registers = glet_coro_saved_registers(c, &size);
        sp = glet_coro_saved_sp(c);
        if (registers != NULL)
            v->visit(v->arg, registers, registers + size);
    }
    if (hi != NULL)
        v->visit(v->arg, sp, hi);
}

int greenlet_stacks(greenlet_stack *visit, void *arg)
{
    if (visit == NULL)
        return GREENLET_ENULL;
    struct visit v = {visit, arg, __builtin_frame_address(0), thread_stack_end()};
    if (v.end == NULL)
        return GREENLET_ESTACK;
    glet_coro_each(one, &v);
    return GREENLET_OK;
}
