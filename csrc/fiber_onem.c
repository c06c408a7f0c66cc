//go:build cgo && linux

/*
 * fiber_onem.c - see fiber_onem.h. A fiber has a goroutine, and no M: an announcement
 * puts another goroutine into the M's place, in the system call that C is in anyway.
 *
 * A fiber's goroutine is one that runtime.newcoro has made. It is never run as such, but
 * forged to look as that of a thread that C made looks while it is in C for good: in a
 * system call, without frames. The first call of Go on the fiber lands on it.
 *
 * While it does not run it is parked: waiting, for a coroutine, on no M. Its syscallsp
 * stays, so the collector finds its frames as in any system call, and does not move them
 * (isShrinkStackSafe, stack.go). Only its syscallbp is put aside, by which the tracer
 * would follow frame pointers into C.
 *
 * What is leaned on, with the functions to read again at the next Go release (all in
 * runtime/):
 *
 *   - newproc1, oneNewExtraM (proc.go): what the two kinds of goroutines look like.
 *   - cgocallback (asm_*.s), cgocallbackg (cgocall.go): a call of Go runs on m.curg,
 *     from g.sched on, and leaves both as it found them.
 *   - setBlockOnExitSyscall (proc.go, from Go 1.26 on): who has the scan bit of m.curg
 *     owns m.p, so curg changes only under it. Up to Go 1.25 nobody goes from a P in a
 *     system call to a goroutine (retake, stopTheWorldWithSema).
 *   - castogscanstatus (proc.go), suspendG (preempt.go): who fails to take the scan bit
 *     tries again.
 *   - coroswitch_m (coro.go), reentersyscall (proc.go): see announce_traced.
 */
#define _GNU_SOURCE
#include "fiber_onem.h"
#include "fiber_internal.h"
#include "go_calls.h"
#include "tls_slot.h"

#include <sched.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

extern void crosscall2(void (*fn)(void *), void *arg, int n, size_t ctxt);

enum { GSYSCALL = 3, GWAITING = 4, SCAN = 0x1000 }; /* runtime2.go */

/*
 * A stop of the world that looks at the thread in the middle of an announcement does not
 * find the P in a system call, and does not look again (stopTheWorldWithSema): it waits
 * until the thread calls Go. So every so many announcements one does.
 */
enum { EVERY = 128 };

static glet_onem_layout rt;
int glet_onem_in_use;

static __thread struct {
    char *thread; /* gort.Thread */
    unsigned announcements;
} local __attribute__((tls_model("initial-exec")));

#define FIELD(type, base, offset) ((type *)((char *)(base) + (offset)))
#define LOAD(p) __atomic_load_n(p, __ATOMIC_RELAXED)

void glet_onem_use(const glet_onem_layout *layout)
{
    rt = *layout;
    __atomic_store_n(&glet_onem_in_use, 1, __ATOMIC_RELEASE);
}

void glet_onem_thread(uintptr_t thread) { local.thread = (char *)thread; }

static void __attribute__((noinline)) change_status_slow(uint32_t *status, uint32_t was, uint32_t now)
{
    for (uint32_t w = was; !__atomic_compare_exchange_n(status, &w, now, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED); w = was)
        sched_yield();
}

/*
 * Changes the status of g from `was` to `now`. Others set the bit _Gscan in it, to look at the
 * stack of a goroutine that waits or is in C, or to ask for a preemption, and clear it soon after
 * (suspendG, castogscanstatus, casfrom_Gscanstatus). While it is set the compare-and-swap fails
 * and is tried again. Nobody else changes the status of the goroutines that come here: one is in
 * C on this thread, the other is parked and belongs to this thread.
 *
 * With SCAN in `now` the bit is ours until set_status, and others wait for it: what comes in
 * between is short and calls nothing.
 */
static inline void change_status(char *g, uint32_t was, uint32_t now)
{
    uint32_t *status = FIELD(uint32_t, g, rt.g_status), w = was;
    if (__builtin_expect(!__atomic_compare_exchange_n(status, &w, now, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED), 0))
        change_status_slow(status, was, now);
}

/* Gives the scan bit back. While it is ours nobody else writes the status, so a store will do. */
static inline void set_status(char *g, uint32_t now)
{
    __atomic_store_n(FIELD(uint32_t, g, rt.g_status), now, __ATOMIC_RELEASE);
}

/* g.stack and the two guards lie side by side at the beginning of a g (libcgo.h). */
static inline void copy_bounds(void *to, const void *from) { memcpy(to, from, 4 * sizeof(uintptr_t)); }

static inline void save(struct glet_fiber *from, char *m, char *g0)
{
    copy_bounds(from->parked.bounds, g0);
    from->parked.sp = *FIELD(uintptr_t, g0, rt.g_sched_sp);
    from->parked.ncgo = *FIELD(int32_t, m, rt.m_ncgo);
    from->parked.locks = *FIELD(uint64_t, m, rt.m_locks);
    from->parked.accurate = *FIELD(uint8_t, m, rt.m_accurate);
}

/*
 * What m and g0 are to have while `to` runs; and the greenlets' engine, which puts a
 * greenlet's C stack into g0 when it goes on, finds the fiber's bounds there.
 */
static inline void load(const glet_coro *c, struct glet_fiber *to, char *m, char *g0)
{
    char *g = to->parked.g, *thread = local.thread;

    copy_bounds(g0, to->parked.bounds);
    *FIELD(uintptr_t, g0, rt.g_sched_sp) = to->parked.sp;
    *FIELD(int32_t, m, rt.m_ncgo) = to->parked.ncgo;
    *FIELD(uint64_t, m, rt.m_locks) = to->parked.locks;
    *FIELD(uint8_t, m, rt.m_accurate) = to->parked.accurate;
    int locked = to->parked.locks != 0;
    *FIELD(char *, m, rt.m_locked_g) = locked ? g : NULL;
    *FIELD(char *, g, rt.g_locked_m) = locked ? m : NULL;
    if (thread == NULL)
        return;
    /* The goroutine is another one than the engine has noted for the coroutine: no short way. */
    *FIELD(char *, thread, rt.thread_gp) = NULL;
    copy_bounds(glet_coro_is_root(c) ? thread + rt.thread_own : *FIELD(char *, thread, rt.thread_in_place),
                to->parked.bounds);
}

/* An announcement that is under way in Go. The beginning is known to gort, as type arrival. */
struct traced_announcement {
    uintptr_t pc, sp, bp; /* of the system call that `to` is in */
    uintptr_t reentersyscall;
    uintptr_t c_sp; /* where land is called */
    void (*land)(struct traced_announcement *);

    struct { /* runtime.coro */
        char *gp;
        void *f;
        char *mp;
        uint64_t locks;
    } coro;
    jmp_buf back;
};

static void land(struct traced_announcement *b) { _longjmp(b->back, 1); }

/* Calls Go, which does not return: land comes back to the thread's stack in its stead. */
static __attribute__((noinline, noreturn)) void enter_go(struct traced_announcement *b)
{
    enum { RED_ZONE = 256 };
    b->c_sp = ((uintptr_t)__builtin_frame_address(0) - RED_ZONE) & ~(uintptr_t)15;
    crosscall2((void (*)(void *))rt.departure, &b->coro, 0, 0);
    abort();
}

struct sched {
    uintptr_t sp, pc, lr, bp;
};

static struct sched sched_of(char *g)
{
    return (struct sched){*FIELD(uintptr_t, g, rt.g_sched_sp), *FIELD(uintptr_t, g, rt.g_sched_pc),
                          *FIELD(uintptr_t, g, rt.g_sched_lr), *FIELD(uintptr_t, g, rt.g_sched_bp)};
}

static void set_sched(char *g, struct sched s)
{
    *FIELD(uintptr_t, g, rt.g_sched_sp) = s.sp;
    *FIELD(uintptr_t, g, rt.g_sched_pc) = s.pc;
    *FIELD(uintptr_t, g, rt.g_sched_lr) = s.lr;
    *FIELD(uintptr_t, g, rt.g_sched_bp) = s.bp;
    *FIELD(uintptr_t, g, rt.g_sched_ctxt) = 0;
}

struct stack {
    uintptr_t lo, hi;
};

/* p, if it points into a stack that was elsewhere, as it is now. */
static uintptr_t moved(uintptr_t p, struct stack was, struct stack now)
{
    return p >= was.lo && p <= was.hi ? p - was.hi + now.hi : p;
}

/*
 * The announcement while an execution trace is written, which has to be told: from's
 * goroutine leaves the system call by a call of Go, of runtime.coroswitch (by gort's
 * departure), which goes on with that of `to`. There runtime.reentersyscall lets it begin
 * the system call anew that it is in (gort's landing), and the thread is in C again, on the
 * same stack, in a call that will not return. That is then taken back, so from is parked as
 * by any other announcement.
 *
 * In a cgo call g.sched is deeper than syscallsp (asmcgocall), and the next call of Go
 * begins there: both are restored as they were. Go may have moved from's stack meanwhile.
 */
static __attribute__((noinline)) void announce_traced(const glet_coro *c, struct glet_fiber *from,
                                                   struct glet_fiber *to, char *m, char *g0)
{
    char *a = from->parked.g, *z = to->parked.g;
    struct traced_announcement b = {.reentersyscall = rt.reentersyscall, .land = land};

    change_status(z, GWAITING, GWAITING | SCAN);
    const struct sched to_sched = sched_of(z);
    b.pc = *FIELD(uintptr_t, z, rt.g_syscall_pc);
    b.sp = *FIELD(uintptr_t, z, rt.g_syscall_sp);
    b.bp = to->parked.bp;
    set_sched(z, (struct sched){.sp = (to_sched.sp & ~(uintptr_t)15) - 64, .pc = rt.landing});
    *FIELD(uintptr_t, z, rt.g_sched_ctxt) = (uintptr_t)&b;
    set_status(z, GWAITING);

    const struct sched from_sched = sched_of(a);
    const struct stack was = *(struct stack *)a;
    const uintptr_t pc = *FIELD(uintptr_t, a, rt.g_syscall_pc), sp = *FIELD(uintptr_t, a, rt.g_syscall_sp),
                    bp = *FIELD(uintptr_t, a, rt.g_syscall_bp), panics = *FIELD(uintptr_t, a, rt.g_panic),
                    defers = *FIELD(uintptr_t, a, rt.g_defer);
    save(from, m, g0);
    b.coro.gp = z;
    b.coro.mp = m;
    b.coro.locks = from->parked.locks + ((uint64_t)1 << 32); /* lockedInt: that of a call from C */
    if (_setjmp(b.back) == 0)
        enter_go(&b);

    *FIELD(uint8_t, m, rt.m_incgo) = 1;
    load(c, to, m, g0);
    set_sched(z, to_sched);
    change_status(a, GWAITING, GWAITING | SCAN);
    const struct stack now = *(struct stack *)a;
    set_sched(a, (struct sched){moved(from_sched.sp, was, now), from_sched.pc, from_sched.lr,
                                moved(from_sched.bp, was, now)});
    *FIELD(uintptr_t, a, rt.g_syscall_sp) = moved(sp, was, now);
    *FIELD(uintptr_t, a, rt.g_syscall_pc) = pc;
    *FIELD(uintptr_t, a, rt.g_syscall_bp) = 0;
    from->parked.bp = moved(bp, was, now);
    *FIELD(uintptr_t, a, rt.g_panic) = moved(panics, was, now);
    *FIELD(uintptr_t, a, rt.g_defer) = moved(defers, was, now);
    *FIELD(uint8_t, a, rt.g_throw_split) = 1; /* these two as reentersyscall sets them: stackPreempt */
    *FIELD(uintptr_t, a, rt.g_guard0) = (uintptr_t)-1314;
    *FIELD(char *, a, rt.g_locked_m) = NULL;
    set_status(a, GWAITING);
}

/*
 * Is an execution trace being written? M m was in Go before it came here, and that has
 * left an event in its buffer. What is missed is a trace whose next part has begun since
 * (traceAdvance, once a second), which has emptied the buffer.
 */
static inline int traced(char *m)
{
    return LOAD(FIELD(char *, m, rt.m_trace_buf[0])) != NULL || LOAD(FIELD(char *, m, rt.m_trace_buf[1])) != NULL;
}

void glet_onem_announce(const glet_coro *c, struct glet_fiber *from, struct glet_fiber *to)
{
    char *g0 = glet_tls_slot_load(), *m = *FIELD(char *, g0, rt.g_m), *a = *FIELD(char *, m, rt.m_curg),
         *z = to->parked.g;

    from->parked.g = a;
    if (__builtin_expect(traced(m), 0)) {
        announce_traced(c, from, to, m, g0);
        return;
    }
    if (++local.announcements % EVERY == 0)
        crosscall2((void (*)(void *))rt.nothing, NULL, 0, 0);

    /*
     * Nobody finds z by m yet, but who sees that it is in a system call looks at its m, and
     * the tracer follows its frame pointers, into C, unless it sees by the M to which z is
     * locked that there is C.
     */
    change_status(z, GWAITING, GSYSCALL | SCAN);
    *FIELD(char *, z, rt.g_m) = m;
    *FIELD(char *, z, rt.g_locked_m) = m;
    *FIELD(uintptr_t, z, rt.g_syscall_bp) = to->parked.bp;
    set_status(z, GSYSCALL);
    change_status(a, GSYSCALL, GSYSCALL | SCAN); /* m.p stays as it is from here */
    save(from, m, g0);
    load(c, to, m, g0);
    __atomic_store_n(FIELD(char *, m, rt.m_curg), z, __ATOMIC_RELEASE);
    from->parked.bp = *FIELD(uintptr_t, a, rt.g_syscall_bp);
    *FIELD(uintptr_t, a, rt.g_syscall_bp) = 0;
    *FIELD(char *, a, rt.g_m) = NULL;
    *FIELD(char *, a, rt.g_locked_m) = NULL;
    *FIELD(uint8_t, a, rt.g_wait_reason) = (uint8_t)rt.wait_reason;
    set_status(a, GWAITING);
}

/* In C, since who has a scan bit may not be preempted or allocate: the collector waits for it. */
static int forge(char *g)
{
    change_status(g, GWAITING, GWAITING | SCAN);
    uintptr_t sp = *FIELD(uintptr_t, g, rt.g_stktopsp);
    int fresh = *FIELD(uintptr_t, g, rt.g_sched_pc) == rt.fresh_pc &&
                *FIELD(uintptr_t, g, rt.g_sched_sp) == sp - rt.fresh_depth;
    if (fresh) {
        set_sched(g, (struct sched){.sp = sp, .pc = rt.goexit_pc});
        *FIELD(uintptr_t, g, rt.g_syscall_sp) = sp;
        *FIELD(uintptr_t, g, rt.g_syscall_pc) = rt.goexit_pc;
        *FIELD(uintptr_t, g, rt.g_syscall_bp) = 0;
        *FIELD(uint8_t, g, rt.g_throw_split) = 1;
    }
    set_status(g, GWAITING);
    return fresh;
}

int glet_onem_fiber_new(struct glet_fiber *f)
{
    /* No fiber's, but where a panic goes on that has left a call of Go: the process ends. */
    static char last_resort[64 << 10] __attribute__((aligned(16)));

    char *g = (char *)greenletFiberNew();
    if (g == NULL)
        return GLET_EWORD;
    if (glet_tls_slot_load() == NULL || !forge(g)) { /* no M is bound to the thread: see thread_ready */
        greenletFiberEnd((uintptr_t)g);
        return GLET_EWORD;
    }
    uintptr_t lo = (uintptr_t)f->lo, hi = (uintptr_t)f->hi, top = hi;
    if (lo == 0) { /* not known: whatever SP is, it is inside, and there is room */
        lo = 4096;
        hi = UINTPTR_MAX / 2 + 1;
        top = (uintptr_t)last_resort + sizeof last_resort;
    }
    f->goroutine = g;
    f->parked = (struct glet_parked){
        .g = g,
        .bounds = {lo, hi, lo + rt.stack_guard, lo + rt.stack_guard},
        .sp = (top - 64) & ~(uintptr_t)15,
        .locks = (uint64_t)1 << 32, /* lockedInt, as oneNewExtraM has it */
        .ncgo = 1,                  /* there is C below it */
        .accurate = 1,
    };
    return GLET_OK;
}

void glet_onem_fiber_free(struct glet_fiber *f) { greenletFiberEnd((uintptr_t)f->goroutine); }

uintptr_t glet_onem_home(void)
{
    const struct glet_fiber *own = glet_fiber_own(glet_coro_current());
    return own != NULL && own->running != NULL ? (uintptr_t)own->parked.g : 0;
}

uintptr_t glet_onem_leave_fiber(glet_coro *c, uintptr_t bounds[4])
{
    struct glet_fiber *own = glet_fiber_own(c);

    if (own == NULL || own->running == NULL)
        return 0;
    (void)glet_fiber_orphan(own);
    copy_bounds(bounds, own->parked.bounds);
    return (uintptr_t)own->parked.g;
}
