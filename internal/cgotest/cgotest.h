#ifndef CGOTEST_H
#define CGOTEST_H

#include "coro.h"
#include <stdint.h>

#ifdef __GLIBC__ /* by stdint.h */
#define CGOTEST_GLIBC 1
#else
#define CGOTEST_GLIBC 0
#endif

int cgotest_rounding_up(uintptr_t f);
int cgotest_rounds_up(void);
int cgotest_round_up(void);
/* Calls it, rounds up from there on, and calls it once more. */
void cgotest_rounding_between(uintptr_t f);
void cgotest_call(uintptr_t callback);
/* Calls it on a thread made for that, and waits for the thread's end. */
int cgotest_on_thread(uintptr_t callback);
/* Reads from nowhere. */
int cgotest_fault(void);
int cgotest_step(size_t bytes);
/* Calls itself that often, on some 600 bytes each. */
int cgotest_recurse(int depth);
int cgotest_locals(uintptr_t callback, size_t bytes);
uintptr_t cgotest_stack_address(void);

typedef struct {
    int code;       /* a GLET_ code */
    uint64_t wrong; /* a bit for each register that changed */
} cgotest_result;

cgotest_result cgotest_registers(int rounds);
int cgotest_misuse(void);
double cgotest_ping_pong(long switches);
int cgotest_stack(size_t bytes);

/*
 * In assembly: fills the callee-saved registers with values made from pattern,
 * calls fn(arg), and returns a bit for each that came back changed.
 */
uint64_t cgotest_fill(void (*fn)(void *), void *arg, uint64_t pattern);

/* As runtime.SetCgoTraceback has them. */
struct cgotest_context { uintptr_t context; };
struct cgotest_traceback { uintptr_t context, signal; uintptr_t *buf; uintptr_t max; };
void cgotest_context(struct cgotest_context *c);
void cgotest_traceback(struct cgotest_traceback *t);

/* How many contexts were not given back, and how many were used that are not live. */
int cgotest_live_contexts(void);
int cgotest_wrong_contexts(void);

#endif
