//go:build cgo && linux

#include "ucontext_library.h"

#ifdef __GLIBC__
#include <stdlib.h>
#include <ucontext.h>

typedef struct {
    ucontext_t self, caller;
    void (*entry)(void *);
    void *arg;
} co;

/* makecontext passes ints only. */
static void start(unsigned hi, unsigned lo)
{
    co *c = (co *)(uintptr_t)((uint64_t)hi << 32 | lo);
    c->entry(c->arg);
}

static void *make(void *stack, size_t size, void (*entry)(void *), void *arg)
{
    co *c = calloc(1, sizeof *c);
    if (c == NULL)
        return NULL;
    c->entry = entry;
    c->arg = arg;
    getcontext(&c->self);
    c->self.uc_stack.ss_sp = stack;
    c->self.uc_stack.ss_size = size;
    uint64_t p = (uintptr_t)c;
    makecontext(&c->self, (void (*)(void))start, 2, (unsigned)(p >> 32), (unsigned)p);
    return c;
}

static void resume(void *p)
{
    co *c = p;
    swapcontext(&c->caller, &c->self);
}

static void yield(void *p)
{
    co *c = p;
    swapcontext(&c->self, &c->caller);
}

static const foreign_library library = {make, resume, yield, free};
const foreign_library *ucontext_library(void) { return &library; }

#else /* musl has none */
const foreign_library *ucontext_library(void) { return NULL; }
#endif
