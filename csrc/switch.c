//go:build cgo && linux

/*
 * switch.c - fresh contexts for each backend, and the ucontext backend itself.
 */
#include "backend.h"
#include "debug.h"

#include <stddef.h>
#include <stdint.h>

#ifdef GLET_UCONTEXT

/* makecontext passes ints only: a pointer travels in two halves. */
static void start(unsigned hi, unsigned lo)
{
    glet_coro_main((void *)(uintptr_t)(((uint64_t)hi << 32) | lo));
}

void glet_context_init(glet_context *ctx, void *lo, void *hi, void *self)
{
    uint64_t s = (uint64_t)(uintptr_t)self;
    ucontext_t *u = (ucontext_t *)(((uintptr_t)hi - sizeof *u) & ~(uintptr_t)63);

    getcontext(u); /* cannot fail: it only stores registers and the mask */
    u->uc_stack.ss_sp = lo;
    u->uc_stack.ss_size = (size_t)((char *)u - (char *)lo);
    u->uc_link = NULL;
    makecontext(u, (void (*)(void))start, 2, (unsigned)(s >> 32), (unsigned)s);
    ctx->at = u;
}

/* AddressSanitizer could have the context elsewhere. */
__attribute__((no_sanitize_address)) int glet_context_switch(const glet_context *to, glet_context *from)
{
    ucontext_t here; /* up to 4.5 KiB: too much for a thread-local record, as a root's is */
    from->at = &here; /* cppcheck-suppress autoVariables ; it is used while we are suspended here */
    return swapcontext(&here, to->at); /* fails on no Linux: no memory is asked for */
}

const char *glet_backend(void) { return "ucontext"; }

#elif defined(__x86_64__)

/* See the second picture in switch_amd64.S. */
struct fresh {
    void (*start)(void);
    uint32_t mxcsr;
    uint16_t x87cw, zero;
    void *self;
    uint64_t padding; /* glet_start finds the stack as at any function's entry */
};

void glet_context_init(glet_context *ctx, void *lo, void *hi, void *self)
{
    (void)lo;
    GLET_REQUIRE((uintptr_t)hi % 16 == 0);
    struct fresh *f = (struct fresh *)((char *)hi - sizeof *f);
    *f = (struct fresh){.start = glet_start, .self = self};
    __asm__("stmxcsr %0" : "=m"(f->mxcsr));
    __asm__("fnstcw %0" : "=m"(f->x87cw));
    ctx->sp = f;
}

const char *glet_backend(void) { return "amd64"; }

#elif defined(__aarch64__)

/* See the second picture in switch_arm64.S. */
struct fresh {
    void (*start)(void);
    uint64_t padding;
    uint64_t fpcr;
    void *self;
};

void glet_context_init(glet_context *ctx, void *lo, void *hi, void *self)
{
    (void)lo;
    GLET_REQUIRE((uintptr_t)hi % 16 == 0);
    struct fresh *f = (struct fresh *)((char *)hi - sizeof *f);
    *f = (struct fresh){.start = glet_start, .self = self};
    __asm__("mrs %0, fpcr" : "=r"(f->fpcr));
    ctx->sp = f;
}

const char *glet_backend(void) { return "arm64"; }

#elif defined(__riscv)

/* See the second picture in switch_riscv64.S. */
struct fresh {
    void (*start)(void);
    uint64_t padding;
    uint64_t frm;
    void *self;
};

void glet_context_init(glet_context *ctx, void *lo, void *hi, void *self)
{
    (void)lo;
    GLET_REQUIRE((uintptr_t)hi % 16 == 0);
    struct fresh *f = (struct fresh *)((char *)hi - sizeof *f);
    *f = (struct fresh){.start = glet_start, .self = self};
    __asm__("frrm %0" : "=r"(f->frm));
    ctx->sp = f;
}

const char *glet_backend(void) { return "riscv64"; }

#endif
