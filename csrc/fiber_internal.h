/*
 * fiber_internal.h - the record of a fiber; in fiber.c.
 *
 * A fiber is a stack that Go is to take for a thread, and what Go has in place of the thread
 * while another one runs: on the portable engine the TLS slot's value, and on the engine of
 * one M the struct glet_parked (fiber_onem.h). There are two kinds. A *foreign* one is made by
 * glet_fiber_new for a coroutine of another library. The *own* fiber of a coroutine of this
 * core stands for the stack that the coroutine began with. It is made when it is first asked
 * for, and is attached to the coroutine (coro_internal.h).
 */
#ifndef GLET_FIBER_INTERNAL_H
#define GLET_FIBER_INTERNAL_H

#include "coro_internal.h"
#include "debug.h"
#include "fiber.h"

#include <stdint.h>

/* What a fiber has on the engine of one M while another one runs; see fiber_onem.c. */
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
 *                 glet_fiber_switch(it)
 *     new --> IDLE --------------------> RUNNING --.
 *               ^                           |      | its coroutine is restarted or freed
 *               '---------------------------'      v
 *               glet_fiber_switch(another)      ORPHANED
 *
 * glet_fiber_free makes an IDLE or ORPHANED one FREED. An own fiber is OWN until its
 * coroutine, or the thread, ends.
 */
enum glet_fiber_state {
    GLET_FIBER_FREED,    /* the record serves nobody */
    GLET_FIBER_OWN,
    GLET_FIBER_IDLE,
    GLET_FIBER_RUNNING,  /* in some coroutine, which may be suspended itself */
    GLET_FIBER_ORPHANED, /* it ran in a coroutine that was abandoned; it can only be freed */
};

struct glet_fiber {
    struct glet_attachment attachment; /* of an own one */
    enum glet_fiber_state state;
    uint64_t thread; /* the number of the thread that it belongs to */
    char *lo, *hi;   /* its stack; NULL: not known */
    char *sp;        /* of the announcement by which it was left */
    union {
        struct {                        /* an own one: */
            glet_coro *coro;            /* whose it is */
            struct glet_fiber *running; /* the foreign one that runs in its place; NULL: none */
        };
        char *goroutine; /* a foreign one, engine of one M: made for it */
    };
    void *tls_slot;            /* portable engine */
    struct glet_parked parked; /* engine of one M */
    struct glet_fiber *next;   /* in the list of those that were freed */
};

/* The own fiber of a coroutine; NULL: it has none yet. */
static inline struct glet_fiber *glet_fiber_own(const glet_coro *c)
{
    return (struct glet_fiber *)glet_coro_attachment(c);
}

/* The foreign fiber that runs in a coroutine; NULL: it is on its own stack. */
static inline struct glet_fiber *glet_fiber_foreign(const glet_coro *c)
{
    const struct glet_fiber *own = glet_fiber_own(c);
    return own != NULL ? own->running : NULL;
}

/* Takes the foreign fiber off the coroutine of `own`, of which nothing will run again. */
static inline struct glet_fiber *glet_fiber_orphan(struct glet_fiber *own)
{
    struct glet_fiber *f = own->running;
    GLET_REQUIRE(own->state == GLET_FIBER_OWN && f != NULL && f->state == GLET_FIBER_RUNNING);
    f->state = GLET_FIBER_ORPHANED;
    own->running = NULL;
    return f;
}

#endif
