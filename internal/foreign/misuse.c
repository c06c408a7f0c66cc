//go:build cgo && linux

/* misuse.c - every mistake that the calls of fiber.h can be made with. */
#include "coroutine.h"

#include <pthread.h>
#include <stdlib.h>

#define WANT(want, call)                                                                           \
    do {                                                                                           \
        if ((call) != (want))                                                                      \
            return __LINE__;                                                                       \
    } while (0)

static void *elsewhere(void *arg)
{
    glet_fiber *f = arg;
    int line = 0;
    if (glet_fiber_switch(f) != GLET_ETHREAD || glet_fiber_free(f) != GLET_ETHREAD)
        line = __LINE__;
    return (void *)(intptr_t)line;
}

struct visit {
    const foreign_library *lib;
    void *co;
    glet_fiber *own, *self, *other;
    int line;
};

static int on_the_coroutine(struct visit *v)
{
    if (glet_fiber_current() != v->self)
        return __LINE__;
    WANT(GLET_EBUSY, glet_fiber_switch(v->self));
    WANT(GLET_EBUSY, glet_fiber_free(v->self));
    WANT(GLET_EBUSY, glet_fiber_free(v->own));
    WANT(GLET_OK, glet_fiber_switch(v->own));
    WANT(GLET_ESTACK, glet_fiber_switch(v->other));
    WANT(GLET_ESTACK, glet_fiber_switch(v->self));
    return 0;
}

static void visited(void *arg)
{
    struct visit *v = arg;
    v->line = on_the_coroutine(v);
    v->lib->yield(v->co);
    abort(); /* it is not resumed any more */
}

/* 0, or the line of the first call that did not get its code. */
int foreign_misuse(const foreign_library *lib)
{
    enum { SIZE = 64 << 10 };
    static char stack[2 * SIZE] __attribute__((aligned(64)));
    glet_fiber *f, *g, *unknown, *own = glet_fiber_current();
    if (own == NULL || own != glet_fiber_current())
        return __LINE__;

    WANT(GLET_ENULL, glet_fiber_new(NULL, stack, SIZE));
    WANT(GLET_ESIZE, glet_fiber_new(&f, NULL, SIZE));
    WANT(GLET_ESIZE, glet_fiber_new(&f, stack, 0));
    WANT(GLET_ESIZE, glet_fiber_new(&f, stack, 4096));
    WANT(GLET_ESIZE, glet_fiber_new(&f, stack, (size_t)-1));
    WANT(GLET_ENULL, glet_fiber_switch(NULL));
    WANT(GLET_ENULL, glet_fiber_free(NULL));
    WANT(GLET_EBUSY, glet_fiber_switch(own));
    WANT(GLET_EBUSY, glet_fiber_free(own));

    WANT(GLET_OK, glet_fiber_new(&f, stack, SIZE));
    WANT(GLET_OK, glet_fiber_new(&g, stack + SIZE, SIZE));
    WANT(GLET_OK, glet_fiber_new(&unknown, NULL, 0));
    pthread_t t;
    void *line = NULL;
    if (pthread_create(&t, NULL, elsewhere, f) != 0 || pthread_join(t, &line) != 0)
        return __LINE__;
    if (line != NULL)
        return (int)(intptr_t)line;

    struct visit v = {.lib = lib, .own = own, .self = f, .other = g};
    v.co = lib->make(stack, SIZE, visited, &v);
    if (v.co == NULL)
        return __LINE__;
    WANT(GLET_OK, glet_fiber_switch(f));
    /* The announced switch has not been made yet: no other one is accepted. */
    WANT(GLET_ESTACK, glet_fiber_switch(g));
    WANT(GLET_ESTACK, glet_fiber_switch(own));
    lib->resume(v.co);
    if (v.line != 0)
        return v.line;
    if (glet_fiber_current() != own)
        return __LINE__;

    WANT(GLET_OK, glet_fiber_free(f));
    WANT(GLET_OK, glet_fiber_free(g));
    WANT(GLET_OK, glet_fiber_free(unknown));
    WANT(GLET_EFREED, glet_fiber_free(f));
    WANT(GLET_EFREED, glet_fiber_switch(g));
    lib->destroy(v.co);
    return 0;
}
