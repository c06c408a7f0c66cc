#include "boundary.h"

#include <stddef.h>

extern int libVisit(lib_function *pause, int n); /* in Go */
extern void libCollect(void);

static __thread struct {
    glet_fiber *hub, *outside;
    lib_function *python;
} here;

int boundary_begin(lib_function *python)
{
    here.python = python;
    int code = here.hub == NULL ? glet_fiber_new(&here.hub, NULL, 0) : GLET_OK;
    return code == GLET_OK ? glet_fiber_leave(here.hub, &here.outside) : code;
}

int boundary_end(void)
{
    int code = glet_fiber_switch(here.outside);
    if (code == GLET_OK)
        code = glet_fiber_free(here.hub);
    here.hub = NULL;
    return code;
}

glet_fiber *boundary_new(void)
{
    glet_fiber *f = NULL;
    return glet_fiber_new(&f, NULL, 0) == GLET_OK ? f : NULL;
}

int boundary_free(glet_fiber *f) { return glet_fiber_free(f); }

static int back(int n)
{
    glet_fiber *self;
    int code = glet_fiber_leave(here.hub, &self);
    if (code != GLET_OK)
        return code;
    int result = here.python(n);
    code = glet_fiber_switch(self);
    return code == GLET_OK ? result : code;
}

int boundary_call(glet_fiber *f, int n)
{
    int code = glet_fiber_switch(f);
    if (code != GLET_OK)
        return -code;
    int result = libVisit(back, n);
    code = glet_fiber_switch(here.hub);
    return code == GLET_OK ? result : -code;
}

int boundary_collect(glet_fiber *f)
{
    int code = glet_fiber_switch(f);
    if (code != GLET_OK)
        return -code;
    libCollect();
    return glet_fiber_switch(here.hub);
}
