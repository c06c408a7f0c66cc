//go:build cgo && linux

#define _GNU_SOURCE
#include "chain.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>

struct frame {
    struct frame *next;
    sigjmp_buf trap;
};

/* The innermost frame; bit 0: the thread is set up, whatever frames there are. */
static __thread uintptr_t top;
static __thread int setups;
static long broken;

void *chain_word(void) { return &top; }
size_t chain_size(void) { return sizeof top; }
long chain_broken(void) { return __atomic_load_n(&broken, __ATOMIC_RELAXED); }
int chain_setups(void) { return setups; }

static struct frame *innermost(void) { return (struct frame *)(top & ~(uintptr_t)1); }
static void enter(struct frame *f) { top = (uintptr_t)f | (top & 1); }

int chain_length(void)
{
    int n = 0;
    for (const struct frame *f = innermost(); f != NULL; f = f->next)
        n++;
    return n;
}

static struct sigaction before;

/* An instruction that traps, in a frame of this thread's chain, goes on in that frame. */
static void trapped(int sig, siginfo_t *info, void *context)
{
    struct frame *f = innermost();
    if (f != NULL)
        siglongjmp(f->trap, 1);
    if (before.sa_flags & SA_SIGINFO)
        before.sa_sigaction(sig, info, context);
}

static void install(void)
{
    struct sigaction ours;
    ours.sa_sigaction = trapped;
    ours.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    sigemptyset(&ours.sa_mask);
    (void)sigaction(SIGILL, &ours, &before); /* it knows SIGILL */
}

void chain_setup(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (top & 1)
        return;
    (void)pthread_once(&once, install);
    setups++;
    top |= 1;
}

/* As compiled code would say it that has found something out of bounds. */
static void trap(void)
{
    (void)raise(SIGILL);
    __builtin_unreachable();
}

static int inside(uintptr_t h, int depth, struct frame *f)
{
    if (depth > 1)
        return chain_call(h, depth - 1);
    int asked = chainCallback(h);
    if (innermost() != f || !(top & 1)) {
        __atomic_add_fetch(&broken, 1, __ATOMIC_RELAXED);
        return asked; /* where the chain leads is not to be known */
    }
    if (asked)
        trap();
    return 0;
}

int chain_call(uintptr_t h, int depth)
{
    struct frame f;
    int code;
    chain_setup();
    f.next = innermost();
    enter(&f);
    if (sigsetjmp(f.trap, 0) == 0)
        code = inside(h, depth, &f);
    else
        code = -1;
    if (innermost() != &f)
        __atomic_add_fetch(&broken, 1, __ATOMIC_RELAXED);
    enter(f.next);
    return code;
}

int chain_errno(uintptr_t h, int e)
{
    errno = e;
    (void)chainCallback(h);
    return errno;
}
