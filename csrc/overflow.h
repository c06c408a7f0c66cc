/* overflow.h - says whose stack it was that has overflowed; in overflow.c. */
#ifndef GLET_OVERFLOW_H
#define GLET_OVERFLOW_H

#include <stddef.h>

/* Writes a name for who runs into buf, without a NUL, and returns its length. Called in a signal handler. */
typedef size_t (*glet_who)(char *buf, size_t size);

/*
 * From now on a fault in the guard of the running coroutine's stack is explained
 * on the standard error stream, before the handler of SIGSEGV that was there does what
 * it does. Once for a process. 0, or an errno: then nothing is explained.
 */
int glet_explain_overflows(glet_who who);

/* In coro.c. The size of the running coroutine's stack, if the address is in the guard below it; else 0. */
size_t glet_coro_overflowed(const void *address);

#endif
