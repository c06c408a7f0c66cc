//go:build greenlet_foreign && cgo && linux

#include "foreign.h"
#include "boost.h"

#include <stdlib.h>

/*
 * boost.context's C interface, which boost/context/detail/fcontext.hpp declares in
 * C++ only.
 */
typedef void *fcontext_t;
typedef struct {
    fcontext_t fctx;
    void *data;
} transfer_t;
extern transfer_t jump_fcontext(fcontext_t to, void *data);
extern fcontext_t make_fcontext(void *stack_top, size_t size, void (*fn)(transfer_t));

typedef struct {
    fcontext_t self, caller;
    void (*entry)(void *);
    void *arg;
} co;

static void start(transfer_t t)
{
    co *c = t.data;
    c->caller = t.fctx;
    c->entry(c->arg);
}

static void *make(void *stack, size_t size, void (*entry)(void *), void *arg)
{
    co *c = calloc(1, sizeof *c);
    if (c == NULL)
        return NULL;
    c->entry = entry;
    c->arg = arg;
    c->self = make_fcontext((char *)stack + size, size, start);
    return c;
}

static void resume(void *p)
{
    co *c = p;
    c->self = jump_fcontext(c->self, c).fctx;
}

static void yield(void *p)
{
    co *c = p;
    c->caller = jump_fcontext(c->caller, NULL).fctx;
}

const foreign_library boost_library = {make, resume, yield, free};
