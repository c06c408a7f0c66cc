//go:build cgo && linux

/*
 * fiber.c - the records of fibers, and the checks before an announcement; see fiber.h. On
 * the portable engine an announcement exchanges the TLS slot, here; on the engine of one M
 * it exchanges the M's goroutine (fiber_onem.c).
 *
 * The records are never given back to malloc, and the one that was freed first is
 * used again first, so that a late use of a freed one is an error and no crash.
 */
#define _GNU_SOURCE
#include "fiber.h"
#include "fault.h"
#include "fiber_internal.h"
#include "fiber_onem.h"
#include "go_m.h"
#include "tls_slot.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

#define STACK_FLOOR ((size_t)16 << 10)

static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static struct {
    glet_fiber *first, **last;
} unused = {NULL, &unused.first};

/* The calling thread's number, which no later thread gets again. */
static uint64_t thread_number(void)
{
    static uint64_t last;
    static __thread uint64_t mine;
    if (mine == 0)
        mine = __atomic_add_fetch(&last, 1, __ATOMIC_RELAXED);
    return mine;
}

static glet_fiber *record_new(enum glet_fiber_state state)
{
    pthread_mutex_lock(&mu);
    glet_fiber *f = unused.first;
    if (f != NULL) {
        unused.first = f->next;
        if (unused.first == NULL)
            unused.last = &unused.first;
    }
    pthread_mutex_unlock(&mu);
    if (f == NULL)
        f = glet_fault(GLET_FAULT_MALLOC) ? NULL : malloc(sizeof *f);
    if (f != NULL)
        *f = (glet_fiber){.state = state, .thread = thread_number()};
    return f;
}

static void record_free(glet_fiber *f)
{
    GLET_REQUIRE(f->state != GLET_FIBER_FREED && f->state != GLET_FIBER_RUNNING);
    *f = (glet_fiber){0};
    pthread_mutex_lock(&mu);
    *unused.last = f;
    unused.last = &f->next;
    pthread_mutex_unlock(&mu);
}

static void thread_end(void *own)
{
    glet_coro_attach(((glet_fiber *)own)->coro, NULL);
    record_free(own);
}

/* Frees a root's own fiber when the thread ends; GLET_EKEY with errno. */
static int free_at_end(glet_fiber *own)
{
    static pthread_key_t key;
    static int made; /* a key that was refused may be had later */

    pthread_mutex_lock(&mu);
    int e = 0;
    if (!made) {
        e = glet_fault(GLET_FAULT_KEY) ? errno : pthread_key_create(&key, thread_end);
        made = e == 0;
    }
    pthread_mutex_unlock(&mu);
    if (e == 0)
        e = glet_fault(GLET_FAULT_KEY) ? errno : pthread_setspecific(key, own);
    if (e == 0)
        return GLET_OK;
    errno = e;
    return GLET_EKEY;
}

/* The stack of the thread's root, as far as the C library knows it. */
static void thread_stack(glet_fiber *f)
{
#ifdef __GLIBC__ /* others say how far the first thread's stack has grown by now */
    pthread_attr_t attr;
    void *lo;
    size_t size;

    if (pthread_getattr_np(pthread_self(), &attr) != 0)
        return;
    if (pthread_attr_getstack(&attr, &lo, &size) == 0) {
        f->lo = lo;
        f->hi = f->lo + size;
    }
    pthread_attr_destroy(&attr);
#else
    (void)f;
#endif
}

/* The coroutine of an own fiber is restarted or freed: a foreign one that runs there is orphaned. */
static void own_reset(struct glet_attachment *a, glet_coro *c)
{
    glet_fiber *own = (glet_fiber *)a;
    if (own->running == NULL)
        return;
    void **slot = glet_coro_saved_tls_slot(c);
    glet_fiber_orphan(own)->tls_slot = *slot;
    *slot = own->tls_slot;
}

static void own_destroy(struct glet_attachment *a) { record_free((glet_fiber *)a); }

/* Makes the own fiber of a coroutine. */
static int own_new(glet_coro *c)
{
    glet_fiber *f = record_new(GLET_FIBER_OWN);
    if (f == NULL)
        return GLET_ENOMEM;
    f->attachment = (struct glet_attachment){.reset = own_reset, .destroy = own_destroy};
    f->coro = c;
    glet_coro_bounds(c, (void **)&f->lo, (void **)&f->hi);
    if (glet_coro_is_root(c)) {
        int code = free_at_end(f);
        if (code != GLET_OK) {
            record_free(f);
            return code;
        }
        thread_stack(f);
    }
    glet_coro_attach(c, &f->attachment);
    return GLET_OK;
}

static int current(glet_fiber **out)
{
    glet_coro *c = glet_coro_current();
    int code = glet_fiber_own(c) != NULL ? GLET_OK : own_new(c);
    glet_fiber *foreign = glet_fiber_foreign(c);

    *out = foreign != NULL ? foreign : glet_fiber_own(c);
    return code;
}

glet_fiber *glet_fiber_current(void)
{
    glet_fiber *f;
    return current(&f) == GLET_OK ? f : NULL;
}

/*
 * What has to be there before a thread's first fiber.  On a thread that C made this
 * call of Go also gives the thread itself an M, whose signal stack stays as long as
 * the thread.  A fiber's M that came first would take its own away with it, under
 * the feet of the others.
 */
static int thread_ready(void)
{
    static __thread int ready;
    if (ready)
        return GLET_OK;
    int code = glet_go_m_ready();
    ready = code == GLET_OK;
    return code;
}

int glet_fiber_new(glet_fiber **out, void *stack, size_t size)
{
    if (out == NULL)
        return GLET_ENULL;
    if ((stack == NULL) != (size == 0) || (size != 0 && size < STACK_FLOOR) ||
        size > UINTPTR_MAX - (uintptr_t)stack)
        return GLET_ESIZE;
    int code = thread_ready();
    if (code != GLET_OK)
        return code;
    glet_fiber *f = record_new(GLET_FIBER_IDLE);
    if (f == NULL)
        return GLET_ENOMEM;
    f->lo = stack;
    f->hi = f->lo + size;
    if (glet_onem_used() && (code = glet_onem_fiber_new(f)) != GLET_OK) {
        record_free(f);
        return code;
    }
    *out = f;
    return GLET_OK;
}

/* Why the calling thread may not use f. */
static int refusal(const glet_fiber *f)
{
    if (f == NULL)
        return GLET_ENULL;
    if (f->state == GLET_FIBER_FREED)
        return GLET_EFREED;
    return f->thread != thread_number() ? GLET_ETHREAD : GLET_OK;
}

int glet_fiber_switch(glet_fiber *to)
{
    int code = refusal(to);
    if (code != GLET_OK)
        return code;
    if (to->state == GLET_FIBER_ORPHANED)
        return GLET_EDONE;
    glet_coro *c = glet_coro_current();
    if (glet_fiber_own(c) == NULL && (code = own_new(c)) != GLET_OK)
        return code;
    glet_fiber *own = glet_fiber_own(c), *from = own->running != NULL ? own->running : own;
    if (to == from || (to != own && to->state != GLET_FIBER_IDLE))
        return GLET_EBUSY;
    char *sp = __builtin_frame_address(0);
    if (from->lo != NULL && (sp < from->lo || sp >= from->hi))
        return GLET_ESTACK;

    from->sp = sp;
    if (from != own)
        from->state = GLET_FIBER_IDLE;
    if (to != own)
        to->state = GLET_FIBER_RUNNING;
    own->running = to == own ? NULL : to;
    if (glet_onem_used()) {
        glet_onem_announce(c, from, to);
        return GLET_OK;
    }
    from->tls_slot = glet_tls_slot_load();
    glet_tls_slot_store(to->tls_slot);
    return GLET_OK;
}

int glet_fiber_free(glet_fiber *f)
{
    int code = refusal(f);
    if (code == GLET_OK && f->state != GLET_FIBER_IDLE && f->state != GLET_FIBER_ORPHANED)
        code = GLET_EBUSY;
    if (code == GLET_OK && f->goroutine != NULL)
        glet_onem_fiber_free(f);
    if (code == GLET_OK && f->tls_slot != NULL)
        code = glet_go_m_drop_parked(f->tls_slot);
    if (code == GLET_OK)
        record_free(f);
    return code;
}
