//go:build cgo && linux

#include "chain.h"

#include <errno.h>
#include <setjmp.h>

struct frame {
    struct frame *next;
    jmp_buf trap;
};

static __thread struct frame *top;
static long broken;

void *chain_word(void) { return &top; }
size_t chain_size(void) { return sizeof top; }
long chain_broken(void) { return __atomic_load_n(&broken, __ATOMIC_RELAXED); }

int chain_length(void)
{
    int n = 0;
    for (const struct frame *f = top; f != NULL; f = f->next)
        n++;
    return n;
}

static int inside(uintptr_t h, int depth, struct frame *f)
{
    if (depth > 1)
        return chain_call(h, depth - 1);
    int trap = chainCallback(h);
    if (top != f) {
        __atomic_add_fetch(&broken, 1, __ATOMIC_RELAXED);
        return trap; /* where the chain leads is not to be known */
    }
    if (trap)
        longjmp(top->trap, trap);
    return 0;
}

int chain_call(uintptr_t h, int depth)
{
    struct frame f;
    int code;
    f.next = top;
    top = &f;
    if (setjmp(f.trap) == 0)
        code = inside(h, depth, &f);
    else
        code = -1;
    if (top != &f)
        __atomic_add_fetch(&broken, 1, __ATOMIC_RELAXED);
    top = f.next;
    return code;
}

int chain_errno(uintptr_t h, int e)
{
    errno = e;
    (void)chainCallback(h);
    return errno;
}
