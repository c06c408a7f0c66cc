//go:build greenlet_foreign && cgo && linux

#include "pcl_library.h"

#include <pcl.h>

static void *make(void *stack, size_t size, void (*entry)(void *), void *arg)
{
    static __thread int ready; /* each thread says that it uses the library */
    if (!ready && co_thread_init() != 0)
        return NULL;
    ready = 1;
    return co_create(entry, arg, stack, (int)size);
}

static void resume(void *co) { co_call(co); }

static void yield(void *co)
{
    (void)co; /* it is the current one */
    co_resume();
}

static void destroy(void *co) { co_delete(co); }

const foreign_library pcl_library = {make, resume, yield, destroy};
