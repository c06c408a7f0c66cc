/*
 * fiber.c - see fiber.h.  A fiber is a thread word and the stack that it goes with.
 *
 * The records are never given back to malloc, and the one that was freed first is
 * used again first, so that a late use of a freed one is an error and no crash.
 */
#define _GNU_SOURCE
#include "fiber.h"
#include "fault.h"
#include "go.h"
#include "word.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>

#define STACK_FLOOR ((size_t)16 << 10)
#define SIGNAL_STACK ((size_t)64 << 10)

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

static glet_fiber *record_new(void)
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
        *f = (glet_fiber){.thread = thread_number()};
    return f;
}

static void record_free(glet_fiber *f)
{
    *f = (glet_fiber){0};
    pthread_mutex_lock(&mu);
    *unused.last = f;
    unused.last = &f->next;
    pthread_mutex_unlock(&mu);
}

/*
 * What is to be freed when the thread ends. Its destructor waits until it has been
 * called as often as the C library promises: Go's, which takes signals and calls
 * the fibers' owners, is among the others.
 */
static __thread struct {
    glet_fiber *own;
    void *signal_stack;
    int round;
} ending;

static pthread_key_t end_key;
static int end_key_error;

static void thread_end(void *unused_value)
{
    if (++ending.round < PTHREAD_DESTRUCTOR_ITERATIONS - 1 &&
        pthread_setspecific(end_key, unused_value) == 0)
        return;
    stack_t off = {.ss_flags = SS_DISABLE}, now;
    if (ending.signal_stack != NULL && sigaltstack(NULL, &now) == 0 &&
        now.ss_sp == ending.signal_stack)
        sigaltstack(&off, NULL);
    free(ending.signal_stack);
    if (ending.own != NULL)
        record_free(ending.own);
}

static void end_key_make(void)
{
    end_key_error = glet_fault(GLET_FAULT_KEY) ? errno : pthread_key_create(&end_key, thread_end);
}

/* From now on thread_end is called on this thread: 0 or an errno. */
static int watch_end(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, end_key_make);
    return end_key_error != 0 ? end_key_error : pthread_setspecific(end_key, &ending);
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

static void own_gone(glet_fiber *own) { record_free(own); }

glet_fiber *glet_fiber_current(void)
{
    glet_coro *c = glet_coro_current();
    struct glet_fibers *in = glet_coro_fibers(c);

    if (in->running != NULL)
        return in->running;
    if (in->own == NULL) {
        glet_fiber *f = record_new();
        if (f == NULL)
            return NULL;
        f->home = c;
        glet_coro_bounds(c, (void **)&f->lo, (void **)&f->hi);
        if (glet_coro_is_root(c)) {
            if (watch_end() != 0) {
                record_free(f);
                return NULL;
            }
            ending.own = f;
            thread_stack(f);
        }
        glet_fiber_own_gone = own_gone;
        in->own = f;
    }
    return in->own;
}

/*
 * An M that finds its thread without a signal stack brings its own and takes it
 * away again when it is dropped, while the thread's other Ms believe in it. That is
 * so on threads that C made. So such a thread gets one that stays.
 */
static int need_signal_stack(void)
{
    stack_t now;
    if (sigaltstack(NULL, &now) != 0 || !(now.ss_flags & SS_DISABLE))
        return GLET_OK;
    int e = watch_end();
    if (e != 0) {
        errno = e;
        return GLET_EKEY;
    }
    stack_t st = {.ss_sp = malloc(SIGNAL_STACK), .ss_size = SIGNAL_STACK};
    if (st.ss_sp == NULL)
        return GLET_ENOMEM;
    if (sigaltstack(&st, NULL) != 0) {
        e = errno;
        free(st.ss_sp);
        errno = e;
        return GLET_ENOMEM;
    }
    ending.signal_stack = st.ss_sp;
    return GLET_OK;
}

/* What has to be there before a thread's first fiber. */
static int thread_ready(void)
{
    static __thread int ready;
    if (ready)
        return GLET_OK;
    int code = need_signal_stack();
    if (code == GLET_OK)
        code = glet_go_ready();
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
    glet_fiber *f = record_new();
    if (f == NULL)
        return GLET_ENOMEM;
    f->lo = stack;
    f->hi = f->lo + size;
    *out = f;
    return GLET_OK;
}

static int refusal(const glet_fiber *f)
{
    if (f == NULL)
        return GLET_ENULL;
    if (f->thread == 0)
        return GLET_EFREED;
    return f->thread != thread_number() ? GLET_ETHREAD : GLET_OK;
}

int glet_fiber_switch(glet_fiber *to)
{
    int code = refusal(to);
    if (code != GLET_OK)
        return code;
    if (to->lost)
        return GLET_EDONE;
    glet_fiber *from = glet_fiber_current();
    if (from == NULL)
        return GLET_ENOMEM;
    glet_coro *c = glet_coro_current();
    struct glet_fibers *in = glet_coro_fibers(c);
    if (to == from || (to != in->own && to->home != NULL))
        return GLET_EBUSY;
    char *sp = __builtin_frame_address(0);
    if (from->lo != NULL && (sp < from->lo || sp >= from->hi))
        return GLET_ESTACK;

    from->word = glet_word_load();
    if (from != in->own)
        from->home = NULL;
    to->home = c;
    in->running = to == in->own ? NULL : to;
    glet_go_announce(from->word, to->word);
    glet_word_store(to->word);
    return GLET_OK;
}

int glet_fiber_free(glet_fiber *f)
{
    int code = refusal(f);
    if (code == GLET_OK && f->home != NULL)
        code = GLET_EBUSY;
    if (code == GLET_OK && f->word != NULL)
        code = glet_go_drop(f->word);
    if (code == GLET_OK)
        record_free(f);
    return code;
}
