//go:build cgo && linux

#define _GNU_SOURCE
#include "cbench.h"
#include "coro.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

/* All kinds have stacks of this size at this distance, as the core lays them out. */
enum { STACK = 64 << 10, GUARD = 4096, SLOT = STACK + GUARD };

struct cbench {
    cbench_shape shape;
    void (*run)(cbench *, long);
    void (*end)(cbench *);
    void *all;    /* the coroutines, an array */
    char *stacks; /* of all but the core's, which makes its own */
};

static unsigned shape_frames;

static void *top(const cbench *b, unsigned i) { return b->stacks + (size_t)(i + 1) * SLOT; }

/* ---- the core */

typedef struct { glet_coro *c; } coro_glet;
static glet_coro *glet_back;
#define KIND glet
#define IN(x) (void)glet_coro_switch((x)->c)
#define OUT() (void)glet_coro_switch(glet_back)
#include "shape.inc"

typedef coro_glet coro_glet_inline;
#define KIND glet_inline
#define IN(x) (void)glet_coro_switch_inline((x)->c)
#define OUT() (void)glet_coro_switch_inline(glet_back)
#include "shape.inc"

static glet_coro *begin_glet(void *arg)
{
    (void)arg;
    body_glet();
}

static glet_coro *begin_glet_inline(void *arg)
{
    (void)arg;
    body_glet_inline();
}

static void end_glet(cbench *b)
{
    coro_glet *all = b->all;
    for (unsigned i = 0; i < b->shape.live && all[i].c != NULL; i++)
        glet_coro_free(all[i].c);
}

static int make_glet_with(cbench *b, glet_body begin)
{
    coro_glet *all = b->all;
    glet_back = glet_coro_current();
    for (unsigned i = 0; i < b->shape.live; i++)
        if (glet_coro_new(&all[i].c, STACK, begin, NULL) != GLET_OK)
            return -1;
    return 0;
}

static int make_glet(cbench *b) { return make_glet_with(b, begin_glet); }
static int make_glet_inline(cbench *b) { return make_glet_with(b, begin_glet_inline); }

/* ---- swapcontext; musl has none */

#ifdef __GLIBC__
typedef struct { ucontext_t u; } coro_swapcontext;
static ucontext_t *swapcontext_inner, swapcontext_back;
#define KIND swapcontext
#define IN(x) (swapcontext_inner = &(x)->u, (void)swapcontext(&swapcontext_back, &(x)->u))
#define OUT() (void)swapcontext(swapcontext_inner, &swapcontext_back)
#include "shape.inc"

static int make_swapcontext(cbench *b)
{
    coro_swapcontext *all = b->all;
    for (unsigned i = 0; i < b->shape.live; i++) {
        getcontext(&all[i].u);
        all[i].u.uc_stack.ss_sp = (char *)top(b, i) - STACK;
        all[i].u.uc_stack.ss_size = STACK;
        makecontext(&all[i].u, body_swapcontext, 0);
    }
    return 0;
}
#endif

/* ---- a minimal switch: the callee-saved registers and nothing else */

#ifdef __x86_64__
void cbench_minimal(void **save, void *to);
__asm__(".text\n"
        ".globl cbench_minimal\n"
        ".hidden cbench_minimal\n"
        ".type cbench_minimal, @function\n"
        ".p2align 4\n"
        "cbench_minimal:\n"
        "  pushq %rbp\n  pushq %rbx\n  pushq %r12\n  pushq %r13\n  pushq %r14\n  pushq %r15\n"
        "  movq %rsp, (%rdi)\n"
        "  movq %rsi, %rsp\n"
        "  popq %r15\n  popq %r14\n  popq %r13\n  popq %r12\n  popq %rbx\n  popq %rbp\n"
        "  ret\n"
        ".size cbench_minimal, .-cbench_minimal\n");

typedef struct { void *sp; } coro_minimal;
static void *minimal_back;
static coro_minimal *minimal_inner;
#define KIND minimal
#define IN(x) (minimal_inner = (x), cbench_minimal(&minimal_back, (x)->sp))
#define OUT() cbench_minimal(&minimal_inner->sp, minimal_back)
#include "shape.inc"

static int make_minimal(cbench *b)
{
    coro_minimal *all = b->all;
    for (unsigned i = 0; i < b->shape.live; i++) {
        void **sp = (void **)top(b, i) - 2; /* at its entry a function finds SP at 8 modulo 16 */
        *sp = (void *)body_minimal;
        all[i].sp = sp - 6; /* six registers, of any value */
    }
    return 0;
}
#endif

/* ---- boost.context, which is C++ around three functions with a C interface */

#ifdef CBENCH_BOOST
typedef struct {
    void *fctx, *data;
} transfer;
extern transfer jump_fcontext(void *to, void *data);
extern void *make_fcontext(void *sp, size_t size, void (*fn)(transfer));

typedef struct { void *fctx; } coro_boost;
static void *boost_back;
#define KIND boost
#define IN(x) ((x)->fctx = jump_fcontext((x)->fctx, NULL).fctx)
#define OUT() (boost_back = jump_fcontext(boost_back, NULL).fctx)
#include "shape.inc"

static void begin_boost(transfer t)
{
    boost_back = t.fctx;
    body_boost();
}

static int make_boost(cbench *b)
{
    coro_boost *all = b->all;
    for (unsigned i = 0; i < b->shape.live; i++)
        all[i].fctx = make_fcontext(top(b, i), STACK, begin_boost);
    return 0;
}
#endif

/* ---- all of them */

static const struct kind {
    const char *name;
    size_t size;
    int own_stacks;
    int (*make)(cbench *);
    void (*run)(cbench *, long);
    void (*end)(cbench *);
} kinds[] = {
    {"glet_coro_switch", sizeof(coro_glet), 1, make_glet, run_glet, end_glet},
    {"glet_coro_switch_inline", sizeof(coro_glet), 1, make_glet_inline, run_glet_inline, end_glet},
#ifdef __GLIBC__
    {"swapcontext", sizeof(coro_swapcontext), 0, make_swapcontext, run_swapcontext, NULL},
#endif
#ifdef __x86_64__
    {"minimal", sizeof(coro_minimal), 0, make_minimal, run_minimal, NULL},
#endif
#ifdef CBENCH_BOOST
    {"jump_fcontext", sizeof(coro_boost), 0, make_boost, run_boost, NULL},
#endif
};

cbench *cbench_new(const char *kind, const cbench_shape *shape)
{
    const struct kind *k = kinds, *end = kinds + sizeof kinds / sizeof *kinds;
    while (k < end && strcmp(k->name, kind) != 0)
        k++;
    if (k == end) {
        errno = ENOSYS;
        return NULL;
    }
    cbench *b = calloc(1, sizeof *b);
    if (b == NULL)
        return NULL;
    b->shape = *shape;
    b->run = k->run;
    b->end = k->end;
    b->all = calloc(shape->live, k->size);
    int failed = b->all == NULL;
    if (!failed && !k->own_stacks) {
        b->stacks = mmap(NULL, (size_t)shape->live * SLOT, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
        failed = b->stacks == MAP_FAILED;
        if (failed)
            b->stacks = NULL;
        else
            (void)madvise(b->stacks, (size_t)shape->live * SLOT, MADV_NOHUGEPAGE); /* as the core does */
    }
    if (failed || k->make(b) != 0) {
        int e = errno;
        cbench_free(b);
        errno = e;
        return NULL;
    }
    return b;
}

void cbench_run(cbench *b, long n) { b->run(b, n); }

void cbench_free(cbench *b)
{
    if (b->end != NULL && b->all != NULL)
        b->end(b);
    if (b->stacks != NULL)
        munmap(b->stacks, (size_t)b->shape.live * SLOT);
    free(b->all);
    free(b);
}

/* ---- calls between Go and C */

extern void cbenchNothing(void);

void cbench_nothing(void) {}

void cbench_call_back(long n)
{
    for (long i = 0; i < n; i++)
        cbenchNothing();
}
