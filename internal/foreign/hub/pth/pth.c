//go:build greenlet_foreign && cgo && linux

#include "pth_library.h"

#include <pth.h>
#include <stdlib.h>

struct start {
    void (*entry)(void *);
    void *arg;
};

static int begin(void) { return pth_init() ? 0 : -1; }

static void *run(void *p)
{
    struct start s = *(struct start *)p;
    free(p);
    s.entry(s.arg);
    return NULL;
}

static void *spawn(void (*entry)(void *), void *arg)
{
    struct start *s = malloc(sizeof *s);
    pth_attr_t a = pth_attr_new();
    if (s == NULL || a == NULL) {
        free(s);
        return NULL;
    }
    *s = (struct start){entry, arg};
    void *thread = pth_attr_set(a, PTH_ATTR_STACK_SIZE, 256 << 10) ? pth_spawn(a, run, s) : NULL;
    pth_attr_destroy(a);
    if (thread == NULL)
        free(s);
    return thread;
}

static void pause_(void) { pth_yield(NULL); }

static void join(void *thread) { pth_join(thread, NULL); }

const hub_library pth_library = {begin, spawn, pause_, join};
