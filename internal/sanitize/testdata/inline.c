/*
 * inline.c - glet_coro_switch_inline beside the two that are called: each suspends what
 * each of the others goes on with. To be compiled in many ways, as C and as C++.
 */
#include "coro.h"

#include <alloca.h>
#include <fenv.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WANT(code, call)                                                                           \
    do {                                                                                           \
        if ((call) != (code)) {                                                                    \
            fprintf(stderr, "inline.c:%d: not %s\n", __LINE__, #code);                             \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

#ifdef __cplusplus
extern "C"
#endif
uint64_t cgotest_fill(void (*fn)(void *), void *arg, uint64_t pattern);

enum { FORMS = 3, ROUNDS = 300 };

static void by_form(unsigned form, glet_coro *to)
{
    if (form % FORMS == 0)
        WANT(GLET_OK, glet_coro_switch(to));
    else if (form % FORMS == 1)
        WANT(GLET_OK, glet_coro_switch_alike(to));
    else
        WANT(GLET_OK, glet_coro_switch_inline(to));
}

struct side {
    glet_coro *other;
    unsigned form, seed;
    int done;
};

/* Each a function that does not call any other, so the compiler has nothing saved. */
static __attribute__((noinline)) int only_inline(glet_coro *to, int a, int b, double c)
{
    int code = glet_coro_switch_inline(to);
    return code == GLET_OK ? a * 3 + b + (int)c : -1;
}

/* With a frame of a size that is not known before, and one that is aligned. */
static __attribute__((noinline)) int varying_frame(glet_coro *to, unsigned n)
{
    volatile unsigned char *a = (volatile unsigned char *)alloca(n);
    __attribute__((aligned(64))) volatile unsigned char aligned[64];
    for (unsigned i = 0; i < n; i++)
        a[i] = (unsigned char)(i + n);
    aligned[n % 64] = (unsigned char)n;
    WANT(GLET_OK, glet_coro_switch_inline(to));
    for (unsigned i = 0; i < n; i++)
        WANT((unsigned char)(i + n), a[i]);
    WANT(0, (int)((uintptr_t)aligned % 64));
    return aligned[n % 64] == (unsigned char)n;
}

/* Many values of all kinds are live, twice unrolled, and in a loop. */
static __attribute__((noinline)) uint64_t many_values(glet_coro *to, uint64_t x)
{
    uint64_t a = x + 1, b = x * 3, c = x ^ 5, d = x << 7, e = x - 9, f = x * 11, g = x >> 3, h = ~x, sum = 0;
    double p = (double)x, q = p * 2, r = p / 3, s = p + 0.5;
    long double t = (long double)x / 7;
    for (int i = 0; i < 4; i++) {
        WANT(GLET_OK, glet_coro_switch_inline(to));
        a += b, b ^= c, c += d, d ^= e, e += f, f ^= g, g += h, h ^= a;
        WANT(GLET_OK, glet_coro_switch_inline(to));
        p += q, q -= r, r *= 1.25, s += t > 3 ? 1 : 2, t += (long double)p;
        sum += a ^ b ^ c ^ d ^ e ^ f ^ g ^ h;
    }
    uint64_t bits;
    double all = p + q + r + s + (double)t;
    memcpy(&bits, &all, sizeof bits);
    return sum ^ bits;
}

static void step(void *arg)
{
    struct side *s = (struct side *)arg;
    by_form(s->form, s->other);
}

static glet_coro *runs(void *arg)
{
    struct side *s = (struct side *)arg;
    for (unsigned i = 0; i < ROUNDS; i++) {
        s->seed = s->seed * 1664525 + 1013904223;
        s->form = s->seed >> 24;
        WANT(0, (int)cgotest_fill(step, s, (uint64_t)s->seed << 20));
        WANT(7 * 3 + (int)i + 2, only_inline(s->other, 7, (int)i, 2.5));
        WANT(1, varying_frame(s->other, i + 1));
    }
    s->done = 1;
    return s->other;
}

/* What many_values says when nobody uses a register in between, as the only one. */
static glet_coro *bounces(void *root)
{
    for (;;)
        WANT(GLET_OK, glet_coro_switch((glet_coro *)root));
}

static glet_coro *values_in_one(void *arg)
{
    uint64_t *v = (uint64_t *)arg;
    v[1] = many_values((glet_coro *)(uintptr_t)v[2], v[0]);
    return NULL;
}

static void registers(void)
{
    glet_coro *root = glet_coro_current(), *c;
    for (unsigned form = 0; form < FORMS; form++) {
        struct side inner = {root, 0, form, 0}, outer = {NULL, 0, form + 77, 0};
        WANT(GLET_OK, glet_coro_new(&c, 0, runs, &inner));
        outer.other = c;
        while (!inner.done) {
            outer.seed = outer.seed * 22695477 + 1;
            outer.form = outer.seed >> 24;
            WANT(0, (int)cgotest_fill(step, &outer, (uint64_t)outer.seed << 24));
            if (!inner.done)
                WANT(1, varying_frame(c, outer.seed >> 20 & 255));
        }
        WANT(1, glet_coro_finished(c));
        WANT(GLET_OK, glet_coro_free(c));
    }
    uint64_t v[3] = {12345, 0, (uint64_t)(uintptr_t)root};
    glet_coro *d;
    WANT(GLET_OK, glet_coro_new(&c, 0, bounces, root));
    uint64_t want = many_values(c, v[0]);
    WANT(GLET_OK, glet_coro_new(&d, 0, values_in_one, v));
    while (!glet_coro_finished(d)) {
        WANT(GLET_OK, glet_coro_switch_inline(d));
        (void)many_values(c, 999);
    }
    WANT(1, v[1] == want);
    WANT(GLET_OK, glet_coro_free(c));
    WANT(GLET_OK, glet_coro_free(d));
}

static glet_coro *ends(void *root) { return (glet_coro *)root; }

static glet_coro *rounds_up(void *root)
{
    fesetround(FE_UPWARD);
    WANT(GLET_OK, glet_coro_switch((glet_coro *)root));
    WANT(FE_UPWARD, fegetround());
    WANT(GLET_OK, glet_coro_switch((glet_coro *)root));
    WANT(FE_UPWARD, fegetround());
    fesetround(FE_TONEAREST);
    return (glet_coro *)root;
}

/* Who called keeps the control words; who was compiled in has those of the other. */
static void control_words(void)
{
    glet_coro *root = glet_coro_current(), *c;
    WANT(GLET_OK, glet_coro_new(&c, 0, rounds_up, root));
    WANT(GLET_OK, glet_coro_switch(c));
    WANT(FE_TONEAREST, fegetround());
    WANT(GLET_OK, glet_coro_switch_inline(c));
    int now = fegetround();
    fesetround(FE_TONEAREST);
#ifdef GLET_INLINE_NOT
    WANT(FE_TONEAREST, now);
#else
    WANT(FE_UPWARD, now);
#endif
    WANT(GLET_OK, glet_coro_switch_inline(c));
    WANT(1, glet_coro_finished(c));
    WANT(FE_TONEAREST, fegetround());
    WANT(GLET_OK, glet_coro_free(c));

    fesetround(FE_DOWNWARD); /* a fresh one has its maker's */
    WANT(GLET_OK, glet_coro_new(&c, 0, ends, root));
    fesetround(FE_TONEAREST);
    WANT(GLET_OK, glet_coro_switch_inline(c));
#ifndef GLET_INLINE_NOT
    WANT(FE_DOWNWARD, fegetround());
#endif
    fesetround(FE_TONEAREST);
    WANT(GLET_OK, glet_coro_free(c));
}

/* A word as Go has one (tls_slot.h) stays with its coroutine, and is NULL in a fresh one. */
#ifdef GLET_INLINE_NOT
static void words(void) {}
#else
static __thread void *volatile word;

static glet_coro *has_a_word(void *root)
{
    WANT(1, word == NULL);
    for (unsigned form = 0; form < 2 * FORMS; form++) {
        word = &form;
        by_form(form, (glet_coro *)root);
        WANT(1, word == &form);
    }
    return (glet_coro *)root;
}

static void words(void)
{
    glet_coro *root = glet_coro_current(), *c;
    char *here;
#ifdef __x86_64__
    __asm__("movq %%fs:0, %0" : "=r"(here));
#else
    here = (char *)__builtin_thread_pointer();
#endif
    glet_tls_slot_offset = (char *)&word - here;
    WANT(GLET_OK, glet_coro_new(&c, 0, has_a_word, root));
    for (unsigned n = 0; !glet_coro_finished(c); n++) {
        word = &n;
        by_form(n / 2, c);
        WANT(1, word == &n);
        by_form(n, root);
        WANT(1, word == &n);
    }
    WANT(GLET_OK, glet_coro_free(c));
    word = NULL;
}
#endif

static glet_coro *of_another;

static void *elsewhere(void *done)
{
    WANT(GLET_ENULL, glet_coro_switch_inline(NULL)); /* the thread is not set up */
    WANT(GLET_ETHREAD, glet_coro_switch_inline(of_another));
    WANT(GLET_ETHREAD, glet_coro_switch(of_another));
    WANT(GLET_EDONE, glet_coro_switch_inline((glet_coro *)done));
    glet_coro *root = glet_coro_current();
    WANT(GLET_ETHREAD, glet_coro_switch_inline(of_another));
    WANT(GLET_ETHREAD, glet_coro_switch(of_another));
    WANT(GLET_EDONE, glet_coro_switch_inline((glet_coro *)done));
    WANT(GLET_ENULL, glet_coro_switch(NULL));
    WANT(GLET_ENULL, glet_coro_switch_inline(NULL));
    WANT(GLET_OK, glet_coro_switch_inline(root));
    WANT(1, glet_coro_current() == root);
    return NULL;
}

static void *at_once(void *unused) /* the first that the thread does is a switch */
{
    WANT(GLET_ETHREAD, glet_coro_switch(of_another));
    return unused;
}

static glet_coro *to_itself(void *root)
{
    glet_coro *self = glet_coro_current();
    for (unsigned form = 0; form < FORMS; form++)
        by_form(form, self);
    return (glet_coro *)root;
}

static void misuse(void)
{
    pthread_t t;
    glet_coro *root = glet_coro_current(), *done;
    for (unsigned form = 0; form < FORMS; form++)
        by_form(form, root);
    WANT(GLET_OK, glet_coro_new(&of_another, 0, to_itself, root));
    WANT(GLET_OK, glet_coro_new(&done, 0, ends, root));
    WANT(GLET_OK, glet_coro_switch_inline(done));
    WANT(GLET_EDONE, glet_coro_switch_inline(done));
    WANT(GLET_EDONE, glet_coro_switch(done));
    WANT(GLET_ENULL, glet_coro_switch_inline(NULL));
    WANT(1, glet_coro_current() == root);
    WANT(0, pthread_create(&t, NULL, elsewhere, done));
    WANT(0, pthread_join(t, NULL));
    WANT(0, pthread_create(&t, NULL, at_once, NULL));
    WANT(0, pthread_join(t, NULL));
    WANT(GLET_OK, glet_coro_restart(done, ends, root)); /* as good as new */
    WANT(GLET_OK, glet_coro_switch_inline(done));
    WANT(GLET_EDONE, glet_coro_switch_inline(done));
    WANT(GLET_OK, glet_coro_switch_inline(of_another));
    WANT(1, glet_coro_finished(of_another));
    WANT(GLET_OK, glet_coro_free(of_another));
    WANT(GLET_OK, glet_coro_free(done));
}

#ifdef __cplusplus
#include <exception>

static glet_coro *catches(void *root)
{
    for (int i = 0; i < 10; i++)
        try {
            throw i;
        } catch (int &e) {
            WANT(GLET_OK, glet_coro_switch_inline((glet_coro *)root));
            WANT(i, e);
            try {
                throw;
            } catch (int &again) {
                WANT(GLET_OK, glet_coro_switch((glet_coro *)root));
                WANT(i, again);
            }
        }
    return (glet_coro *)root;
}

struct counts {
    glet_coro *to;
    ~counts() /* while the exception is on its way, which is not caught yet */
    {
        WANT(GLET_OK, glet_coro_switch_inline(to));
        WANT(true, std::uncaught_exception());
    }
};

static glet_coro *unwinds(void *root)
{
    try {
        counts c = {(glet_coro *)root};
        throw 1;
    } catch (int) {
    }
    return (glet_coro *)root;
}

static void exceptions(void)
{
    glet_coro *root = glet_coro_current(), *c[2];
    for (int i = 0; i < 2; i++)
        WANT(GLET_OK, glet_coro_new(&c[i], 0, catches, root));
    for (int n = 0; !glet_coro_finished(c[0]) || !glet_coro_finished(c[1]); n++) {
        glet_coro *next = c[n * 7 % 5 % 2];
        if (glet_coro_finished(next))
            next = c[next == c[0]];
        if (n % 3 == 0)
            WANT(GLET_OK, glet_coro_switch(next));
        else
            WANT(GLET_OK, glet_coro_switch_inline(next));
        WANT(true, std::current_exception() == nullptr);
    }
    for (int i = 0; i < 2; i++)
        WANT(GLET_OK, glet_coro_restart(c[i], unwinds, root));
    for (int n = 0; n < 4; n++) {
        WANT(GLET_OK, glet_coro_switch_inline(c[n % 2]));
        WANT(false, std::uncaught_exception());
    }
    for (int i = 0; i < 2; i++) {
        WANT(1, glet_coro_finished(c[i]));
        WANT(GLET_OK, glet_coro_free(c[i]));
    }
}
#endif

static void all(void)
{
    registers();
    control_words();
    misuse();
    words();
#ifdef __cplusplus
    exceptions();
#endif
}

static void *thread(void *unused)
{
    all();
    return unused;
}

int main(void)
{
    pthread_t t;
    all();
    all(); /* with a word */
    WANT(0, pthread_create(&t, NULL, thread, NULL));
    WANT(0, pthread_join(t, NULL));
    puts("done");
    return 0;
}
