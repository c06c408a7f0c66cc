//go:build cgo && linux

/*
 * go_m.c - see go_m.h. What is relied on, with the functions to be read again at the next
 * Go release (all in runtime/ unless said otherwise):
 *
 *   - needm, needAndBindM, cgoBindM, dropm (proc.go), cgocallback (asm_*.s): a nil g means
 *     an unknown thread; after the outermost callback g stays the M's g0; and
 *     crosscall2(NULL, g0, 0, 0) is dropm.
 *   - callbackUpdateSystemStack (cgocall.go): asks _cgo_getstackbound on an extra M, and
 *     takes bounds that contain SP for accurate.
 *   - x_cgo_bindm (cgo/gcc_libinit.c): stores g0 under a pthread key, whose destructor calls
 *     dropm for the last one stored.
 *   - g begins with stack.lo, stack.hi, stackguard0, stackguard1 (cgo/libcgo.h).
 */
#define _GNU_SOURCE
#include "go_m.h"
#include "coro.h"
#include "fiber_internal.h"
#include "go_calls.h"
#include "tls_slot.h"

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

extern void crosscall2(void (*fn)(void *), void *arg, int n, size_t ctxt);

static void (*next_getstackbound)(uintptr_t bounds[2]);
static void (*next_bindm)(void *g0);

static __thread struct {
    const sigset_t *mask; /* see glet_go_m_keep_mask; NULL: none to be kept */
    int bound;            /* see glet_go_m_is_bound */
} local __attribute__((tls_model("initial-exec")));

static pthread_mutex_t extra = PTHREAD_MUTEX_INITIALIZER;

void glet_go_m_init(void *getstackbound, void *bindm, int (*ready)(void))
{
    (void)ready; /* see go_calls.h */
    next_getstackbound = (void (*)(uintptr_t *))getstackbound;
    next_bindm = (void (*)(void *))bindm;
}

int glet_go_m_ready(void)
{
    int (*ready)(void) = greenletReady;
    return ready == NULL ? GLET_EWORD : ready();
}

void glet_go_m_lock(void) { pthread_mutex_lock(&extra); }
void glet_go_m_unlock(void) { pthread_mutex_unlock(&extra); }
void glet_go_m_keep_mask(const sigset_t *mask) { local.mask = mask; }
int glet_go_m_is_bound(void) { return local.bound; }

/*
 * Is the caller on the stack of a coroutine, or of a fiber in one? Then b becomes the bounds
 * of that stack, or zeros, which make the runtime guess, if they are not known.
 */
static int on_coroutine(uintptr_t b[2])
{
    void *lo, *hi;
    uintptr_t sp = (uintptr_t)__builtin_frame_address(0);
    glet_coro *c = glet_coro_current();
    const struct glet_fiber *f = glet_fiber_foreign(c);

    if (f != NULL) {
        lo = f->lo;
        hi = f->hi;
    } else {
        glet_coro_bounds(c, &lo, &hi);
    }
    b[0] = (uintptr_t)lo;
    b[1] = (uintptr_t)hi;
    if (b[0] != 0 && sp > b[0] && sp < b[1])
        return 1;
    b[0] = b[1] = 0;
    return f != NULL;
}

/*
 * On an unknown stack the runtime assumes 32 KiB below SP (callbackUpdateSystemStack,
 * cgocall.go), after it has asked for the pthread's bounds at every callback: microseconds,
 * and tens of them on the first thread, where the C library reads /proc/self/maps. Here the
 * bounds are known.
 */
static void getstackbound(uintptr_t bounds[2])
{
    if (!on_coroutine(bounds))
        next_getstackbound(bounds);
}

/*
 * The pthread key of runtime/cgo has room for one M, that which the thread itself has bound.
 * A coroutine's M must not get there: we drop it ourselves, and the destructor would again.
 */
static void bindm(void *g0)
{
    uintptr_t bounds[2];
    if (on_coroutine(bounds)) {
        /*
         * needm has also unblocked the signals that Go wants to have. The thread's own M did
         * so when it was bound; a mask that C has set after that is to stay.
         */
        if (local.bound && local.mask != NULL)
            (void)pthread_sigmask(SIG_SETMASK, local.mask, NULL); /* fails for another first argument only */
        local.mask = NULL;
        return;
    }
    local.bound = 1;
    next_bindm(g0);
}

void *glet_go_m_getstackbound(void) { return (void *)getstackbound; }
void *glet_go_m_bindm(void) { return (void *)bindm; }

void glet_go_m_drop(void *g0) { crosscall2(NULL, g0, 0, 0); }

/* Are there Go frames on the goroutine of an M that does not run? */
static int has_frames(void *g0)
{
    void *present = glet_tls_slot_load();
    glet_tls_slot_store(g0);
    int yes = greenletHasFrames();
    glet_tls_slot_store(present);
    return yes;
}

int glet_go_m_drop_parked(void *g0)
{
    if (has_frames(g0))
        return GLET_EFRAMES;

    sigset_t all, mask;
    sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &mask);
    /*
     * dropm runs Go code on the present stack, so the g0 must have the bounds of that. The
     * fiber's own stack may be freed already.
     */
    struct { uintptr_t lo, hi, guard[2]; } *g = g0;
    uintptr_t sp = (uintptr_t)__builtin_frame_address(0);
    g->lo = sp - ((size_t)16 << 10);
    g->hi = sp + 1024;
    g->guard[0] = g->guard[1] = g->lo + 2048;

    void *present = glet_tls_slot_load();
    glet_tls_slot_store(g0);
    glet_go_m_drop(g0);
    glet_tls_slot_store(present);
    (void)pthread_sigmask(SIG_SETMASK, &mask, NULL);
    return GLET_OK;
}
