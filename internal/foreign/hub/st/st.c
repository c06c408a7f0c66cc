//go:build greenlet_foreign && cgo && linux

#include "st_library.h"

#include <st.h>
#include <stdlib.h>

struct start {
    void (*entry)(void *);
    void *arg;
};

static int begin(void) { return st_init(); }

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
    if (s == NULL)
        return NULL;
    *s = (struct start){entry, arg};
    void *thread = st_thread_create(run, s, 1, 256 << 10);
    if (thread == NULL)
        free(s);
    return thread;
}

static void pause_(void) { (void)st_usleep(0); } /* it cannot fail: nobody interrupts */

static void join(void *thread) { (void)st_thread_join(thread, NULL); }

const hub_library st_library = {begin, spawn, pause_, join};
