//go:build cgo && linux

#include "cgotest.h"

#include <fenv.h>

#include <fenv.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

extern void cgotestCallback(uintptr_t);

int cgotest_rounds_up(void)
{
#if defined(__x86_64__)
    unsigned mxcsr;
    unsigned short x87;
    __asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
    __asm__ volatile("fnstcw %0" : "=m"(x87));
    int v = (mxcsr >> 13 & 3) == 2, x = (x87 >> 10 & 3) == 2;
    return v == x ? v : -1; /* -1: one of the two was lost */
#else
    return fegetround() == FE_UPWARD;
#endif
}

int cgotest_rounding_up(uintptr_t f)
{
    int before = fegetround();
    fesetround(FE_UPWARD);
    cgotestCallback(f);
    int up = cgotest_rounds_up() == 1;
    fesetround(before);
    return up;
}

int cgotest_round_up(void) { return fesetround(FE_UPWARD); }

void cgotest_call(uintptr_t callback) { cgotestCallback(callback); }

static void call(void *callback) { cgotestCallback(*(uintptr_t *)callback); }

/* With a value in the frame pointer that is no address: C code may have that. */
static void *on_thread(void *callback)
{
    cgotest_fill(call, callback, 0x5a5a5a5a5a5a5a5a);
    return NULL;
}

int cgotest_on_thread(uintptr_t callback)
{
    pthread_t thread;
    int error = pthread_create(&thread, NULL, on_thread, &callback);
    return error != 0 ? error : pthread_join(thread, NULL);
}

__attribute__((noinline)) int cgotest_locals(uintptr_t callback, size_t bytes)
{
    volatile unsigned char a[bytes + 1]; /* an array of nothing is undefined */
    unsigned char seed = (unsigned char)(callback >> 4);
    for (size_t i = 0; i < bytes; i++)
        a[i] = (unsigned char)(seed + i);
    cgotestCallback(callback);
    for (size_t i = 0; i < bytes; i++)
        if (a[i] != (unsigned char)(seed + i))
            return 0;
    return 1;
}

int cgotest_step(size_t bytes)
{
    volatile char frame[bytes];
    frame[0] = 1;
    return frame[0];
}

int cgotest_fault(void)
{
    volatile int *volatile nowhere = NULL;
    return *nowhere;
}

__attribute__((noinline)) int cgotest_recurse(int depth)
{
    volatile char frame[512];
    frame[depth % 512] = 1;
    return depth == 0 ? 0 : cgotest_recurse(depth - 1) + frame[depth % 512];
}

__attribute__((noinline)) uintptr_t cgotest_stack_address(void)
{
    return (uintptr_t)__builtin_frame_address(0);
}

/* Two coroutines, each with registers of its own pattern. */

struct half {
    glet_coro *self, *other, *root;
    uint64_t pattern, wrong;
    int rounding, rounds, code;
};

static void swap(void *arg)
{
    struct half *h = arg;
    int code = glet_coro_switch(h->other);
    if (code != GLET_OK)
        h->code = code;
}

static glet_coro *half(void *arg)
{
    struct half *h = arg;
    fesetround(h->rounding);
    for (int i = 0; i < h->rounds; i++) {
        h->wrong |= cgotest_fill(swap, h, h->pattern + (uint64_t)i * 64);
        if (fegetround() != h->rounding)
            h->wrong |= (uint64_t)1 << 63;
    }
    /* Let the other one finish its last round. */
    glet_coro *next = glet_coro_finished(h->other) ? h->root : h->other;
    return next;
}

cgotest_result cgotest_registers(int rounds)
{
    struct half a = {.pattern = 0x1111111111110000, .rounding = FE_UPWARD, .rounds = rounds};
    struct half b = {.pattern = 0xeeeeeeeeeeee0000, .rounding = FE_DOWNWARD, .rounds = rounds};
    cgotest_result r = {0, 0};
    int before = fegetround();

    if ((r.code = glet_coro_new(&a.self, 0, half, &a)) != GLET_OK)
        return r;
    if ((r.code = glet_coro_new(&b.self, 0, half, &b)) != GLET_OK) {
        glet_coro_free(a.self);
        return r;
    }
    a.root = b.root = glet_coro_current();
    a.other = b.self;
    b.other = a.self;
    r.code = glet_coro_switch(a.self);
    if (fegetround() != before)
        r.wrong |= (uint64_t)1 << 62;
    r.wrong |= a.wrong | b.wrong;
    if (r.code == GLET_OK)
        r.code = a.code != GLET_OK ? a.code : b.code;
    if (r.code == GLET_OK && !(glet_coro_finished(a.self) && glet_coro_finished(b.self)))
        r.code = -1;
    glet_coro_free(a.self);
    glet_coro_free(b.self);
    return r;
}

/* Misuse. Each line that does not get its code is returned. */

#define WANT(code, call) do { if ((call) != (code)) return __LINE__; } while (0)

static glet_coro *to_root(void *root) { return root; }

static glet_coro *to_nobody(void *arg)
{
    (void)arg;
    return NULL;
}

static void *free_elsewhere(void *c)
{
    return (void *)(intptr_t)(glet_coro_free(c) == GLET_ETHREAD && glet_coro_switch(c) == GLET_ETHREAD &&
                              glet_coro_switch_alike(c) == GLET_ETHREAD && glet_coro_switch_inline(c) == GLET_ETHREAD &&
                              glet_coro_restart(c, to_nobody, NULL) == GLET_ETHREAD);
}

static glet_coro *back_twice(void *root)
{
    glet_coro_switch(root);
    return root;
}

int cgotest_misuse(void)
{
    glet_coro *c, *root = glet_coro_current();
    WANT(GLET_ENULL, glet_coro_new(NULL, 0, to_root, root));
    WANT(GLET_ENULL, glet_coro_new(&c, 0, NULL, root));
    WANT(GLET_ESIZE, glet_coro_new(&c, (size_t)-1, to_root, root));
    WANT(GLET_ESIZE, glet_coro_new(&c, GLET_STACK_MAX + 1, to_root, root));
    WANT(GLET_ENULL, glet_coro_switch(NULL));
    WANT(GLET_ENULL, glet_coro_switch_inline(NULL));
    WANT(GLET_ENULL, glet_coro_free(NULL));
    void *lo, *hi;
    glet_coro_bounds(NULL, &lo, &hi);
    WANT(1, lo == NULL && hi == NULL);
    WANT(0, glet_coro_is_root(NULL) || glet_coro_finished(NULL));
    glet_coro_trim_stack(NULL, 0);
    glet_stack_usage(NULL);
    WANT(GLET_EBUSY, glet_coro_free(root));
    WANT(GLET_OK, glet_coro_switch(root));
    WANT(GLET_OK, glet_coro_switch_inline(root));

    WANT(GLET_OK, glet_coro_new(&c, 1, to_root, root));
    glet_coro_bounds(c, &lo, &hi);
    WANT(1, (size_t)((char *)hi - (char *)lo) >= GLET_STACK_FLOOR);
    pthread_t thread;
    void *ok = NULL;
    WANT(0, pthread_create(&thread, NULL, free_elsewhere, c));
    WANT(0, pthread_join(thread, &ok));
    WANT(1, ok != NULL);
    WANT(0, glet_coro_finished(c));
    WANT(GLET_OK, glet_coro_switch(c));
    WANT(1, glet_coro_finished(c));
    WANT(GLET_EDONE, glet_coro_switch(c));
    WANT(GLET_EDONE, glet_coro_switch_inline(c));
    WANT(GLET_OK, glet_coro_free(c));

    /* A body that returns nobody ends at the thread's own stack. */
    WANT(GLET_OK, glet_coro_new(&c, 0, to_nobody, NULL));
    WANT(GLET_OK, glet_coro_switch(c));
    WANT(1, glet_coro_current() == root);
    WANT(GLET_OK, glet_coro_free(c));

    /* A suspended one begins anew, and what was on its stack does not go on. */
    WANT(GLET_OK, glet_coro_new(&c, 0, back_twice, root));
    WANT(GLET_OK, glet_coro_switch(c));
    WANT(0, glet_coro_finished(c));
    WANT(GLET_ENULL, glet_coro_restart(NULL, to_root, root));
    WANT(GLET_ENULL, glet_coro_restart(c, NULL, root));
    WANT(GLET_EBUSY, glet_coro_restart(root, to_root, root));
    WANT(GLET_OK, glet_coro_restart(c, back_twice, root));
    WANT(GLET_OK, glet_coro_switch(c));
    WANT(0, glet_coro_finished(c));
    WANT(GLET_OK, glet_coro_switch_alike(c));
    WANT(1, glet_coro_finished(c));
    WANT(GLET_EDONE, glet_coro_switch_alike(c));
    WANT(GLET_ENULL, glet_coro_switch_alike(NULL));
    WANT(GLET_OK, glet_coro_free(c));

    /* One that has never run is freed as well. */
    WANT(GLET_OK, glet_coro_new(&c, 0, to_root, root));
    WANT(GLET_OK, glet_coro_free(c));

    for (int code = GLET_OK; code <= GLET_EFRAMES; code++)
        WANT(1, glet_text(code) != NULL && strstr(glet_text(code), "not a code") == NULL);
    WANT(1, strstr(glet_text(-1), "not a code") != NULL);
    WANT(1, strstr(glet_text(GLET_EFRAMES + 1), "not a code") != NULL);
    return 0;
}

static glet_coro *forever(void *other)
{
    while (glet_coro_switch(other) == GLET_OK)
        ;
    return NULL;
}

double cgotest_ping_pong(long switches)
{
    glet_coro *c;
    int code = glet_coro_new(&c, 0, forever, glet_coro_current());
    if (code != GLET_OK)
        return -code;
    struct timespec a, b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    for (long i = 0; i < switches; i += 2)
        glet_coro_switch(c);
    clock_gettime(CLOCK_MONOTONIC, &b);
    glet_coro_free(c);
    return ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) / (double)switches;
}

int cgotest_stack(size_t bytes)
{
    glet_coro *c;
    int code = glet_coro_new(&c, bytes, to_nobody, NULL);
    return code != GLET_OK ? code : glet_coro_free(c);
}

/* Contexts of runtime.SetCgoTraceback: numbers, of which it is known which are in use. */

enum { CONTEXTS = 1 << 16 };
static char in_use[CONTEXTS];
static unsigned last_context;
static int live_contexts, wrong_contexts;

static int is_in_use(uintptr_t context)
{
    int is = context < CONTEXTS && __atomic_load_n(&in_use[context], __ATOMIC_RELAXED);
    if (!is)
        __atomic_add_fetch(&wrong_contexts, 1, __ATOMIC_RELAXED);
    return is;
}

void cgotest_context(struct cgotest_context *c)
{
    if (c->context == 0) {
        c->context = __atomic_add_fetch(&last_context, 1, __ATOMIC_RELAXED) % CONTEXTS;
        if (c->context == 0 || __atomic_exchange_n(&in_use[c->context], 1, __ATOMIC_RELAXED))
            abort(); /* more than a test makes */
        __atomic_add_fetch(&live_contexts, 1, __ATOMIC_RELAXED);
    } else if (is_in_use(c->context)) {
        __atomic_store_n(&in_use[c->context], 0, __ATOMIC_RELAXED);
        __atomic_sub_fetch(&live_contexts, 1, __ATOMIC_RELAXED);
    }
}

void cgotest_traceback(struct cgotest_traceback *t)
{
    if (t->context != 0)
        (void)is_in_use(t->context);
    if (t->max > 0)
        t->buf[0] = 0; /* no frames */
}

int cgotest_live_contexts(void) { return __atomic_load_n(&live_contexts, __ATOMIC_RELAXED); }
int cgotest_wrong_contexts(void) { return __atomic_load_n(&wrong_contexts, __ATOMIC_RELAXED); }

void cgotest_rounding_between(uintptr_t f)
{
    cgotestCallback(f);
    fesetround(FE_UPWARD);
    cgotestCallback(f);
}
