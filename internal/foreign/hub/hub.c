//go:build cgo && linux

#include "hub.h"

#include <fiber.h>
#include <stdlib.h>

static __thread struct {
    const hub_library *lib;
    glet_fiber *hub; /* NULL: not adopted */
    int code;        /* the first that was not GLET_OK */
} here;

struct job {
    glet_fiber *fiber;
    void *thread;
    uintptr_t h;
    int i;
};

static void note(int code)
{
    if (here.code == GLET_OK)
        here.code = code;
}

static void entry(void *arg)
{
    struct job *j = arg;
    if (j->fiber != NULL)
        note(glet_fiber_switch(j->fiber));
    hubBody(j->h, j->i);
    if (j->fiber != NULL)
        note(glet_fiber_switch(here.hub)); /* whom the scheduler goes on with nobody knows */
}

int hub_pause(void)
{
    if (here.hub == NULL) {
        here.lib->pause();
        return GLET_OK;
    }
    glet_fiber *self;
    int code = glet_fiber_leave(here.hub, &self);
    if (code != GLET_OK)
        return code;
    here.lib->pause();
    return glet_fiber_switch(self);
}

static int start(struct job *jobs, int adopt, int n, uintptr_t h)
{
    for (int i = 0; i < n; i++) {
        struct job *j = &jobs[i];
        j->h = h;
        j->i = i;
        int code = adopt ? glet_fiber_new(&j->fiber, NULL, 0) : GLET_OK;
        if (code != GLET_OK)
            return code;
        j->thread = here.lib->spawn(entry, j);
        if (j->thread == NULL)
            return GLET_ENOMEM;
    }
    return GLET_OK;
}

/* Waits for those that there are, as the scheduler's. */
static void wait_for(struct job *jobs, int n)
{
    glet_fiber *self = NULL;
    if (here.hub != NULL)
        note(glet_fiber_leave(here.hub, &self));
    for (int i = 0; i < n; i++)
        if (jobs[i].thread != NULL)
            here.lib->join(jobs[i].thread);
    if (self != NULL)
        note(glet_fiber_switch(self));
    for (int i = 0; i < n; i++)
        if (jobs[i].fiber != NULL)
            note(glet_fiber_free(jobs[i].fiber));
}

int hub_run(const hub_library *lib, int adopt, int n, uintptr_t h)
{
    static __thread const hub_library *begun;
    if (begun != lib) {
        if (lib->begin() != 0)
            return -1;
        begun = lib;
    }
    here.lib = lib;
    here.hub = NULL;
    here.code = GLET_OK;
    if (adopt)
        note(glet_fiber_new(&here.hub, NULL, 0));
    struct job *jobs = calloc((size_t)n, sizeof *jobs);
    if (jobs == NULL)
        note(GLET_ENOMEM);
    if (here.code == GLET_OK) {
        note(start(jobs, adopt, n, h));
        wait_for(jobs, n);
    }
    if (here.hub != NULL)
        note(glet_fiber_free(here.hub));
    free(jobs);
    return here.code;
}
