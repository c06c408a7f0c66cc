//go:build cgo && linux

/*
 * go_overflow.c - see go_overflow.h.
 *
 * The handler is put before the one that was there, which is Go's, or that of a C
 * program that has Go as a library. It gets every SIGSEGV as if nothing had been before
 * it; what it does with it, a crash report or a panic of Go, is the same. Both run on
 * the signal stack that Go has given the thread: there is no other left.
 */
#define _GNU_SOURCE
#include "go_overflow.h"
#include "coro_internal.h"
#include "fault.h"
#include "go_thread.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

static struct sigaction next;
static glet_name_layout fields;

struct text {
    char buf[256];
    size_t n;
};

/* In a signal handler there is no printf. */
static void add(struct text *t, const char *s)
{
    while (*s != 0 && t->n < sizeof t->buf)
        t->buf[t->n++] = *s++;
}

static void add_number(struct text *t, uint64_t n)
{
    char digits[24], *at = digits + sizeof digits - 1;
    *at = 0;
    do {
        *--at = (char)('0' + n % 10);
    } while ((n /= 10) != 0);
    add(t, at);
}

#define FIELD(type, base, offset) ((type *)((char *)(base) + (offset)))

/*
 * Adds the running greenlet's name and number, as Greenlet.String has them. A signal handler
 * reads Go's memory here: what it reads does not move, and the thread's tree keeps it alive.
 */
static void add_name(struct text *t)
{
    enum { LONGEST = 76 };
    char *tree = glet_go_local(0);
    if (tree == NULL) {
        add(t, "a coroutine");
        return;
    }
    char *core = *FIELD(char *, *FIELD(char *, tree, fields.tree_current), fields.greenlet_core);
    const struct { const char *s; size_t n; } *name = *FIELD(void *, core, fields.core_name); /* a Go string; NULL: none */
    if (name == NULL || name->n == 0)
        add(t, "greenlet");
    for (size_t i = 0; name != NULL && i < name->n && i < LONGEST; i++)
        t->buf[t->n++] = name->s[i];
    add(t, "/");
    add_number(t, *FIELD(uint64_t, core, fields.core_id));
}

static void explain(size_t size)
{
    struct text t = {.n = 0};
    add(&t, "greenlet: ");
    add_name(&t);
    add(&t, " has overflowed its C stack of ");
    add_number(&t, size);
    add(&t, " bytes; WithStackSize (in C: stack_size) gives it a larger one\n");
    ssize_t written = write(STDERR_FILENO, t.buf, t.n);
    (void)written; /* what else could be said, and where? */
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
    size_t size = info->si_code > 0 ? glet_coro_overflowed(info->si_addr) : 0; /* not from kill(2) */
    if (size != 0)
        explain(size);
    next.sa_sigaction(sig, info, context);
}

int glet_go_explain_overflows(const glet_name_layout *layout)
{
    struct sigaction ours;

    fields = *layout;
    if (glet_fault(GLET_FAULT_SIGACTION) || sigaction(SIGSEGV, NULL, &next) != 0)
        return errno;
    if ((next.sa_flags & SA_SIGINFO) == 0)
        return 0; /* not Go's, nor one that was put before that: left as it is */
    ours = next;
    ours.sa_flags |= SA_ONSTACK;
    ours.sa_sigaction = on_fault;
    return sigaction(SIGSEGV, &ours, NULL) == 0 ? 0 : errno;
}
