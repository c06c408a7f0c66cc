//go:build cgo && linux

/*
 * coro.c - coroutines: a stack, a context, and the thread they belong to.
 */
#define _GNU_SOURCE
#define GLET_CORO_ITSELF
#include "coro.h"
#include "annotate.h"
#include "backend.h"
#include "coro_internal.h"
#include "debug.h"
#include "exceptions.h"
#include "fault.h"
#include "stack.h"
#include "tls_slot.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

ptrdiff_t glet_tls_slot_offset = GLET_NO_TLS_SLOT;
/* The same for switch_amd64.S: it is here in shared libraries, too. */
extern ptrdiff_t glet_tls_slot_offset_here __attribute__((alias("glet_tls_slot_offset"), visibility("hidden")));

struct glet_thread;

struct glet_coro {
    glet_context ctx;          /* where it goes on; valid while suspended */
    void *tls_slot;            /* see tls_slot.h; valid while suspended */
    struct glet_thread *owner; /* NULL once it has finished */
    const void *gate;          /* its owner; itself once it has finished, or while it has exceptions */
#ifdef __x86_64__
    uint64_t registers[7];     /* while suspended by glet_jump */
#endif
    glet_body body;
    void *arg;
    glet_stack stack; /* slab is NULL for a thread's own */
    struct glet_attachment *attachment; /* another layer's */
    struct glet_exceptions exceptions; /* none while it runs */
    glet_notes notes;
    glet_coro *next, *prev; /* in its owner's list */
};

#ifndef GLET_UCONTEXT
/* See CStack.native in internal/gort/onem.go. */
_Static_assert(offsetof(glet_coro, ctx.sp) == 0, "struct glet_coro is not as internal/gort expects");
#endif

/* What a thread knows: who runs, and the coroutine that is its own stack. */
struct glet_thread {
    glet_coro *current; /* NULL: nobody has switched yet */
    struct glet_exceptions *exceptions; /* of who runs; NULL: no C++ here */
    size_t handling; /* suspended coroutines that have exceptions */
    const void *gate; /* itself; NULL: nothing is set up, or every switch is told */
    const struct glet_exceptions *watched; /* of who runs; some that are none if there is no C++ here */
    glet_coro *all;  /* that have not finished, without the root */
    glet_coro root;
};

_Static_assert(offsetof(struct glet_exceptions, uncaught) == sizeof(void *),
               "struct glet_exceptions is not as internal/gort expects");

#ifndef GLET_INLINE_NOT
/* The numbers are those of switch_amd64.S. */
#ifdef __x86_64__
_Static_assert(offsetof(glet_coro, registers) == 0x20, "the switch in assembly looks elsewhere");
#endif
_Static_assert(offsetof(glet_coro, gate) == 0x18 && offsetof(struct glet_thread, gate) == 0x18 &&
                   offsetof(struct glet_thread, watched) == 0x20 && offsetof(struct glet_thread, current) == 0,
               "the switch in assembly looks elsewhere");
_Static_assert(offsetof(glet_coro, ctx.sp) == offsetof(struct glet_inline_coro, sp) &&
                   offsetof(glet_coro, tls_slot) == offsetof(struct glet_inline_coro, tls_slot) &&
                   offsetof(glet_coro, gate) == offsetof(struct glet_inline_coro, gate) &&
                   offsetof(struct glet_thread, current) == offsetof(struct glet_inline_thread, current) &&
                   offsetof(struct glet_thread, gate) == offsetof(struct glet_inline_thread, gate) &&
                   offsetof(struct glet_thread, watched) == offsetof(struct glet_inline_thread, watched) &&
                   offsetof(struct glet_exceptions, caught) == offsetof(struct glet_inline_exceptions, caught) &&
                   offsetof(struct glet_exceptions, uncaught) == offsetof(struct glet_inline_exceptions, uncaught),
               "the inline form in coro.h looks elsewhere");
#endif

#if defined(GLET_UCONTEXT) || defined(GLET_ASAN) || defined(GLET_TSAN)
#define EVERY_SWITCH_IS_TOLD 1 /* to the sanitizers, or is the C library's */
#endif

__thread struct glet_thread glet_thread_here __attribute__((tls_model("initial-exec")));

static void ask_for_exceptions(struct glet_thread *t)
{
    static const struct glet_exceptions none;
    t->exceptions = glet_exceptions_of_thread();
    t->watched = t->exceptions != NULL ? t->exceptions : &none;
}

static __attribute__((noinline)) void set_up(struct glet_thread *t)
{
    t->root.owner = t;
    t->root.gate = t;
    ask_for_exceptions(t);
#ifndef EVERY_SWITCH_IS_TOLD
    t->gate = t;
#endif
    t->current = &t->root;
}

/*
 * Compilers may keep the address of a thread-local variable across calls.  Here
 * that is no danger, since a coroutine never changes its thread.
 */
static inline struct glet_thread *thread_self(void)
{
    struct glet_thread *t = &glet_thread_here;
    if (__builtin_expect(t->current == NULL, 0))
        set_up(t);
    return t;
}

struct glet_exceptions *glet_coro_exceptions(void)
{
    struct glet_thread *t = thread_self();
    ask_for_exceptions(t);
    return t->exceptions;
}

glet_coro *glet_coro_current(void) { return thread_self()->current; }

glet_coro **glet_coro_current_address(void) { return &thread_self()->current; }

int glet_coro_finished(const glet_coro *c) { return c != NULL && c->owner == NULL; }

void glet_coro_bounds(const glet_coro *c, void **lo, void **hi)
{
    *lo = c != NULL ? c->stack.lo : NULL;
    *hi = c != NULL ? c->stack.hi : NULL;
}

void **glet_coro_saved_tls_slot(glet_coro *c)
{
    GLET_REQUIRE(c != glet_thread_here.current); /* its slot is the thread's */
    return &c->tls_slot;
}

struct glet_attachment *glet_coro_attachment(const glet_coro *c) { return c->attachment; }

void glet_coro_attach(glet_coro *c, struct glet_attachment *a)
{
    GLET_REQUIRE(a == NULL || c->attachment == NULL);
    c->attachment = a;
}

int glet_coro_is_root(const glet_coro *c) { return c != NULL && c->stack.slab == NULL; }

/*
 * The highest word of a coroutine's stack points to the record, for those who know
 * only the stacks: debuggers (scripts/greenlet-gdb.py) and LeakSanitizer.
 */
static glet_coro **top(const glet_coro *c) { return (glet_coro **)c->stack.hi - 2; }

int glet_coro_stack_used(const glet_coro *c, size_t *out)
{
    if (c == NULL || out == NULL)
        return GLET_ENULL;
    *out = 0;
    if (glet_coro_is_root(c))
        return GLET_OK;
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (char *at = c->stack.lo; at < (char *)c->stack.hi;) {
        unsigned char resident[256];
        size_t n = (size_t)((char *)c->stack.hi - at) / page;
        if (n > sizeof resident)
            n = sizeof resident;
        if (mincore(at, n * page, resident) != 0)
            return GLET_ENOMEM;
        for (size_t i = 0; i < n; i++, at += page)
            if (resident[i] & 1) {
                *out = (size_t)((char *)c->stack.hi - at);
                return GLET_OK;
            }
    }
    return GLET_OK;
}

void glet_coro_trim_stack(glet_coro *c, size_t keep)
{
    if (c == NULL)
        return;
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *lo = c->stack.lo, *hi = c->stack.hi, *sp = __builtin_frame_address(0);

    if (sp > lo && sp < hi && keep < (size_t)(hi - sp) + page)
        keep = (size_t)(hi - sp) + page; /* what madvise needs below, too */
    keep = (keep + page - 1) / page * page;
    if (!glet_coro_is_root(c) && keep < (size_t)(hi - lo))
        (void)madvise(lo, (size_t)(hi - lo) - keep, MADV_DONTNEED);
}

size_t glet_coro_overflowed(const void *address)
{
    const glet_coro *c = glet_thread_here.current; /* as it is: a signal handler must not set up a thread */
    if (c == NULL || glet_coro_is_root(c))
        return 0;
    const char *lo = c->stack.lo, *at = address;
    return at < lo && at >= lo - GLET_STACK_GUARD ? (size_t)((char *)c->stack.hi - lo) : 0;
}

static void enlist(struct glet_thread *t, glet_coro *c)
{
    c->owner = t;
    c->gate = t;
    c->prev = NULL;
    c->next = t->all;
    if (c->next != NULL)
        c->next->prev = c;
    t->all = c;
}

static void delist(struct glet_thread *t, glet_coro *c)
{
    GLET_REQUIRE(c->owner == t && c != &t->root);
    *(c->prev != NULL ? &c->prev->next : &t->all) = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
    c->owner = NULL;
    c->gate = c;
}

void glet_coro_each(void (*visit)(void *arg, glet_coro *c), void *arg)
{
    struct glet_thread *t = thread_self();

    visit(arg, &t->root);
    for (glet_coro *c = t->all; c != NULL; c = c->next)
        visit(arg, c);
}

void *glet_coro_saved_sp(const glet_coro *c)
{
    GLET_REQUIRE(c != glet_thread_here.current);
#ifdef GLET_UCONTEXT
    return c->ctx.at;
#else
    return c->ctx.sp;
#endif
}

void *glet_coro_saved_registers(const glet_coro *c, size_t *size)
{
    *size = 0;
#if !defined(GLET_UCONTEXT) && defined(__x86_64__)
    if (((void **)c->ctx.sp)[1] == c) { /* it is glet_jump's frame */
        *size = sizeof c->registers;
        return (void *)c->registers;
    }
#else
    (void)c;
#endif
    return NULL;
}

static void begin(glet_coro *c, glet_body body, void *arg)
{
    c->tls_slot = NULL;
    if (c->owner == NULL)
        enlist(thread_self(), c);
    c->body = body;
    c->arg = arg;
    glet_note_begin(&c->notes, c->stack.lo, c->stack.hi);
    glet_context_init(&c->ctx, c->stack.lo, (char *)top(c), c);
}

/*
 * The record is not on the stack: all stacks begin at the same place of a page, so
 * with many of them the records would share few places in the caches, and a page
 * of each stack would be touched that a switch from Go to Go has no other use for.
 */
int glet_coro_new(glet_coro **out, size_t stack_size, glet_body body, void *arg)
{
    if (out == NULL || body == NULL)
        return GLET_ENULL;
    glet_stack st;
    int code = glet_stack_alloc(&st, stack_size);
    if (code != GLET_OK)
        return code;
    enum { LINE = 64 };
    glet_coro *c = NULL;
    if (!glet_fault(GLET_FAULT_MALLOC))
        c = aligned_alloc(LINE, (sizeof *c + LINE - 1) / LINE * LINE);
    if (c == NULL) {
        int e = errno;
        glet_stack_free(&st);
        errno = e;
        return GLET_ENOMEM;
    }
    c->stack = st;
    c->owner = NULL;
    c->attachment = NULL;
    c->exceptions = (struct glet_exceptions){0};
    c->notes = (glet_notes){0};
    glet_note_new(&c->notes, st.lo, st.hi);
    *top(c) = c;
    begin(c, body, arg);
    *out = c;
    return GLET_OK;
}

/* Why c, which is to stop existing as it is, may not. */
static int in_use(const glet_coro *c)
{
    if (c == NULL)
        return GLET_ENULL;
    const struct glet_thread *t = thread_self();
    if (c->owner != NULL && c->owner != t)
        return GLET_ETHREAD;
    return c == t->current || glet_coro_is_root(c) ? GLET_EBUSY : GLET_OK;
}

/* Of a suspended coroutine nothing will run again: nobody will end its exceptions. */
static void lose_exceptions(glet_coro *c)
{
    if (!glet_exceptions_any(&c->exceptions))
        return;
    c->exceptions = (struct glet_exceptions){0};
    c->gate = c->owner;
    c->owner->handling--;
}

/* Drops what belongs to the frames of a coroutine of which nothing will run again. */
static void abandon(glet_coro *c)
{
    if (c->attachment != NULL)
        c->attachment->reset(c->attachment, c);
    lose_exceptions(c);
}

int glet_coro_restart(glet_coro *c, glet_body body, void *arg)
{
    int code = body == NULL ? GLET_ENULL : in_use(c);
    if (code == GLET_OK) {
        abandon(c);
        begin(c, body, arg);
    }
    return code;
}

int glet_coro_free(glet_coro *c)
{
    int code = in_use(c);
    if (code != GLET_OK)
        return code;
    abandon(c);
    if (c->attachment != NULL)
        c->attachment->destroy(c->attachment);
    if (c->owner != NULL)
        delist(c->owner, c);
    glet_note_free(&c->notes, c->stack.lo, c->stack.hi);
    *top(c) = NULL;
    glet_stack_free(&c->stack);
    free(c);
    return GLET_OK;
}

void glet_coro_thread_end(void)
{
    struct glet_thread *t = thread_self();
    const char *sp = __builtin_frame_address(0);

    for (glet_coro *next, *c = t->all; c != NULL; c = next) {
        next = c->next;
        if (sp > (char *)c->stack.lo && sp < (char *)c->stack.hi)
            continue; /* the thread ends on it */
        if (c == t->current)
            t->current = &t->root;
        lose_exceptions(c);
        delist(t, c);
    }
}

/* Why t may not switch to `to`. */
static int refusal(const glet_coro *to)
{
    if (to == NULL)
        return GLET_ENULL;
    return to->owner == NULL ? GLET_EDONE : GLET_ETHREAD;
}

static __attribute__((noinline)) void swap_exceptions(struct glet_thread *t, glet_coro *from, glet_coro *to)
{
    from->exceptions = *t->exceptions;
    *t->exceptions = to->exceptions;
    to->exceptions = (struct glet_exceptions){0};
    t->handling += glet_exceptions_any(&from->exceptions);
    t->handling -= glet_exceptions_any(t->exceptions);
    if (glet_exceptions_any(&from->exceptions))
        from->gate = from;
    to->gate = t;
}

static inline int must_swap_exceptions(const struct glet_thread *t)
{
    return __builtin_expect(t->exceptions != NULL, 0) && (t->handling != 0 || glet_exceptions_any(t->exceptions));
}

/* Admits `to`, but for what the fast way sees to; or says why it may not go on. */
static int admit(glet_coro *to)
{
    struct glet_thread *t = thread_self();

    if (to == NULL || to->owner != t)
        return refusal(to);
    if (must_swap_exceptions(t) && to != t->current)
        swap_exceptions(t, t->current, to);
    return GLET_OK;
}

int glet_inline_admit(glet_coro *to)
{
#ifdef EVERY_SWITCH_IS_TOLD
    return glet_coro_switch(to);
#else
    int code = admit(to);
    return code == GLET_OK ? GLET_INLINE_GO_ON : code;
#endif
}

/*
 * In a build without sanitizers it ends with a jump to `jump`, which returns GLET_OK. To
 * the current coroutine, too, so nothing of `to` is read before that of `from` is written.
 */
static inline __attribute__((always_inline)) int go(int (*jump)(const glet_context *, glet_context *), glet_coro *to)
{
    struct glet_thread *t = &glet_thread_here;
    glet_coro *from = t->current;

    GLET_REQUIRE(from != NULL && to->owner == t); /* admit or may_switch_fast has seen to it */
#ifdef EVERY_SWITCH_IS_TOLD
    if (to == from)
        return GLET_OK;
#endif
    t->current = to;
    glet_note_leave(&from->notes, &to->notes, 0);
    glet_tls_slot_exchange(&from->tls_slot, &to->tls_slot);
    int code = jump(&to->ctx, &from->ctx);
    glet_note_arrive(&from->notes);
    return code;
}

__attribute__((visibility("hidden"))) int glet_coro_switch_slow(glet_coro *to);

/* Out of line, for else the compiler saves registers in the fast way for the calls in these. */
__attribute__((noinline)) int glet_coro_switch_slow(glet_coro *to)
{
    int code = admit(to);
    return code != GLET_OK ? code : go(glet_context_switch, to);
}

static __attribute__((noinline)) int slow_alike(glet_coro *to)
{
    int code = admit(to);
    return code != GLET_OK ? code : go(glet_context_switch_alike, to);
}

/*
 * One comparison says that the thread is set up, that `to` is its own and has not
 * finished, and that it has no exceptions.
 */
static inline int may_switch_fast(const glet_coro *to)
{
    const struct glet_thread *t = &glet_thread_here;
    return __builtin_expect(to != NULL && to->gate == t->gate && !glet_exceptions_any(t->watched), 1);
}

#if !defined(__x86_64__) || defined(EVERY_SWITCH_IS_TOLD) /* else it is in switch_amd64.S */
int glet_coro_switch(glet_coro *to) { return may_switch_fast(to) ? go(glet_context_switch, to) : glet_coro_switch_slow(to); }
#endif

int glet_coro_switch_alike(glet_coro *to) { return may_switch_fast(to) ? go(glet_context_switch_alike, to) : slow_alike(to); }

void glet_coro_main(void *p)
{
    glet_coro *c = p;
    struct glet_thread *t = c->owner;

    GLET_REQUIRE(t == &glet_thread_here && t->current == c);

    glet_note_arrive(&c->notes);
    glet_coro *next = c->body(c->arg);
    if (next == NULL || next->owner != t || next == c)
        next = &t->root;
    if (must_swap_exceptions(t)) {
        swap_exceptions(t, c, next);
        lose_exceptions(c); /* Go can leave C++ frames behind: their handlers did not run */
    }
    delist(t, c);
    t->current = next;
    glet_note_leave(&c->notes, &next->notes, 1);
    glet_tls_slot_store(next->tls_slot);
    glet_context_switch(&next->ctx, &c->ctx);
    __builtin_trap(); /* nobody can switch to a coroutine without an owner */
}

const char *glet_text(int code)
{
    static const char *const text[] = {
        [GLET_OK] = "no error",
        [GLET_ENULL] = "an argument is NULL that must not be",
        [GLET_ESIZE] = "the stack's size is too small or over the maximum of 1 GiB",
        [GLET_ENOMEM] = "no memory or address space for a stack",
        [GLET_EGUARD] = "the stack's guard could not be made",
        [GLET_ETHREAD] = "it belongs to another thread",
        [GLET_EDONE] = "the coroutine has finished, or was given up",
        [GLET_EBUSY] = "it is running, or is a thread's own",
        [GLET_EKEY] = "no thread-local key is left",
        [GLET_EWORD] = "Go's thread-local g was not found on this platform",
        [GLET_EFREED] = "it was freed",
        [GLET_ESTACK] = "the caller is not on the stack of the fiber that was announced last",
        [GLET_EFRAMES] = "Go functions are suspended on the fiber, and cannot be given up here",
    };
    if (code < 0 || (size_t)code >= sizeof text / sizeof *text)
        return "not a code of this library";
    return text[code];
}
