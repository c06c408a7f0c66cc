/*
 * fiber_onem.h - fibers on the engine of one M (internal/gort/onem.go); in fiber_onem.c.
 */
#ifndef GLET_FIBER_ONEM_H
#define GLET_FIBER_ONEM_H

#include "coro.h"
#include <stdint.h>

struct glet_fiber;

/*
 * What is to be known of the runtime and of internal/gort, which says what each is and
 * why that is sound (offsets.go, fiber.go). Offsets are distances in bytes.
 */
typedef struct {
    uint32_t g_guard0, g_panic, g_defer, g_m, g_sched_sp, g_sched_pc, g_sched_ctxt, g_sched_lr, g_sched_bp;
    uint32_t g_syscall_sp, g_syscall_pc, g_syscall_bp, g_stktopsp, g_status, g_wait_reason, g_throw_split,
        g_locked_m;
    uint32_t m_g0, m_curg, m_incgo, m_accurate, m_ncgo, m_locked_g, m_locks, m_trace_buf[2];
    uint32_t thread_gp, thread_in_place, thread_own; /* of gort.Thread */
    uint32_t wait_reason, stack_guard, fresh_depth;
    uintptr_t fresh_pc, goexit_pc; /* of a goroutine that newcoro has made; where its outermost frame returns to */
    /* By Go's internal ABI: */
    uintptr_t departure, reentersyscall, landing, nothing;
} glet_onem_layout;

/* From now on fibers are on that engine. */
void glet_onem_use(const glet_onem_layout *layout);

extern int glet_onem_in_use;
static inline int glet_onem_used(void) { return __atomic_load_n(&glet_onem_in_use, __ATOMIC_ACQUIRE); }

/* The calling thread's gort.Thread; 0: it has none any more. */
void glet_onem_thread(uintptr_t thread);

/* Gives a new fiber its goroutine: GLET_OK or GLET_EWORD. */
int glet_onem_fiber_new(struct glet_fiber *f);

/* Ends the goroutine of a fiber that does not run. */
void glet_onem_fiber_free(struct glet_fiber *f);

/* Go is to take the thread, where c is the current coroutine, for `to` in place of `from`. */
void glet_onem_announce(const glet_coro *c, struct glet_fiber *from, struct glet_fiber *to);

/* On a fiber: the goroutine of the stack in whose place it runs; else 0. */
uintptr_t glet_onem_home(void);

/*
 * c is suspended, and nothing of it will run again. Orphans the foreign fiber that runs in c,
 * writes the bounds of the stack that c began with, as they are in a g, and returns the
 * goroutine of that stack; 0: no foreign fiber runs there.
 */
uintptr_t glet_onem_leave_fiber(glet_coro *c, uintptr_t bounds[4]);

#endif
