/*
 * switch.c - fresh contexts for each backend, and the ucontext backend itself.
 */
#include "backend.h"

#include <stdint.h>
#include <string.h>

#ifdef GLET_UCONTEXT

/* makecontext passes ints only: a pointer travels in two halves. */
static void start(unsigned hi, unsigned lo)
{
    glet_coro_main((void *)(uintptr_t)(((uint64_t)hi << 32) | lo));
}

void glet_context_init(glet_context *ctx, void *lo, void *hi, void *self)
{
    uint64_t s = (uint64_t)(uintptr_t)self;

    getcontext(ctx); /* cannot fail: it only stores registers and the mask */
    ctx->uc_stack.ss_sp = lo;
    ctx->uc_stack.ss_size = (size_t)((char *)hi - (char *)lo);
    ctx->uc_link = NULL;
    makecontext(ctx, (void (*)(void))start, 2, (unsigned)(s >> 32), (unsigned)s);
}

void glet_context_switch(glet_context *from, const glet_context *to)
{
    swapcontext(from, to); /* fails on no Linux: no memory is asked for */
}

const char *glet_backend(void) { return "ucontext"; }

#elif defined(__x86_64__)

/* See the picture in switch_amd64.S. */
struct frame {
    uint32_t mxcsr;
    uint16_t x87cw, zero;
    uint64_t r15, r14, r13, r12, rbx, rbp;
    uint64_t ret;
};

void glet_context_init(glet_context *ctx, void *lo, void *hi, void *self)
{
    (void)lo;
    /* After the return address is popped, the stack must be 16-aligned. */
    struct frame *f = (struct frame *)((char *)hi - sizeof *f);
    memset(f, 0, sizeof *f);
    __asm__("stmxcsr %0" : "=m"(f->mxcsr));
    __asm__("fnstcw %0" : "=m"(f->x87cw));
    f->r12 = (uint64_t)self;
    f->ret = (uint64_t)glet_start;
    ctx->sp = f;
}

const char *glet_backend(void) { return "amd64"; }

#elif defined(__aarch64__)

/* See the picture in switch_arm64.S. */
struct frame {
    uint64_t d[8];
    uint64_t x[12]; /* x19 to x30 */
    uint64_t fpcr, padding;
};

void glet_context_init(glet_context *ctx, void *lo, void *hi, void *self)
{
    (void)lo;
    struct frame *f = (struct frame *)((char *)hi - sizeof *f);
    memset(f, 0, sizeof *f);
    __asm__("mrs %0, fpcr" : "=r"(f->fpcr));
    f->x[0] = (uint64_t)self;
    f->x[11] = (uint64_t)glet_start;
    ctx->sp = f;
}

const char *glet_backend(void) { return "arm64"; }

#endif
