//go:build cgo && linux

#include "foreign.h"
#include "coroutine.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

extern int foreignCallback(uintptr_t body, uintptr_t self);
extern void foreignRun(uintptr_t f);

static void entry(void *arg)
{
    foreign *f = arg;
    while (foreignCallback(f->body, (uintptr_t)f))
        ;
    f->done = 1;
    f->code = foreign_yield(f);
    abort(); /* it is not resumed any more */
}

int foreign_new(foreign **out, const foreign_library *lib, int adopt, size_t known, uintptr_t body)
{
    enum { SIZE = 256 << 10 };
    foreign *f = calloc(1, sizeof *f);
    if (f == NULL)
        return GLET_ENOMEM;
    f->lib = lib;
    f->body = body;
    f->stack = malloc(SIZE);
    int code = f->stack == NULL ? GLET_ENOMEM : GLET_OK;
    if (code == GLET_OK && adopt)
        code = glet_fiber_new(&f->fiber, known ? f->stack : NULL, known ? SIZE : 0);
    if (code == GLET_OK && (f->co = lib->make(f->stack, SIZE, entry, f)) == NULL)
        code = GLET_ENOMEM;
    if (code == GLET_OK) {
        *out = f;
        return code;
    }
    if (f->fiber != NULL)
        (void)glet_fiber_free(f->fiber); /* never used, so it cannot fail */
    free(f->stack);
    free(f);
    return code;
}

int foreign_resume(foreign *f)
{
    if (f->fiber != NULL) {
        f->caller = glet_fiber_current();
        int code = glet_fiber_switch(f->fiber);
        if (code != GLET_OK)
            return code;
    }
    f->lib->resume(f->co);
    return f->code;
}

int foreign_yield(foreign *f)
{
    if (f->fiber != NULL) {
        int code = glet_fiber_switch(f->caller);
        if (code != GLET_OK)
            return code;
    }
    f->lib->yield(f->co);
    return GLET_OK;
}

int foreign_free(foreign *f)
{
    if (f->fiber != NULL) {
        int code = glet_fiber_free(f->fiber);
        if (code != GLET_OK)
            return code;
    }
    f->lib->destroy(f->co);
    free(f->stack);
    free(f);
    return GLET_OK;
}

int foreign_announce(foreign *f, long n)
{
    glet_fiber *own = glet_fiber_current();
    int code = GLET_OK;
    for (long i = 0; i < n && code == GLET_OK; i++) {
        code = glet_fiber_switch(f->fiber);
        if (code == GLET_OK)
            code = glet_fiber_switch(own);
        f->announced++;
    }
    return code;
}

int foreign_announce_for(foreign *f, long ms)
{
    struct timespec end, now;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += ms / 1000;
    end.tv_nsec += ms % 1000 * 1000000;
    for (;;) {
        int code = foreign_announce(f, 1000);
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (code != GLET_OK || now.tv_sec > end.tv_sec || (now.tv_sec == end.tv_sec && now.tv_nsec >= end.tv_nsec))
            return code;
    }
}

static void *run(void *f)
{
    foreignRun((uintptr_t)f);
    return NULL;
}

int foreign_thread(uintptr_t f)
{
    pthread_t t;
    int e = pthread_create(&t, NULL, run, (void *)f);
    return e != 0 ? e : pthread_join(t, NULL);
}
