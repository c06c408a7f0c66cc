/* cbench.h - stack switches beside each other, all in the same shapes. */
#ifndef CBENCH_H
#define CBENCH_H

#include <stddef.h>
#include <stdint.h>

/*
 * A shape: `live` suspended coroutines, which are switched to in the given order
 * (a power of two of entries, each below live), and non-inlined frames on either
 * side that return after every switch.
 */
typedef struct {
    unsigned live, frames;
    const uint16_t *order;
    size_t mask; /* entries - 1 */
} cbench_shape;

/* Makes the coroutines; NULL with errno: no memory, or not built in (ENOSYS). */
typedef struct cbench cbench;
cbench *cbench_new(const char *kind, const cbench_shape *shape);

/* n switches, in and out. One at a time per process: the kinds use static memory. */
void cbench_run(cbench *b, long n);

void cbench_free(cbench *b);

/* Does nothing; what a call costs. */
void cbench_nothing(void);

/* Calls Go n times, which does nothing. */
void cbench_call_back(long n);

#endif
