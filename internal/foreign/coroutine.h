/* coroutine.h - a library's coroutine, adopted or not; in foreign.c. */
#ifndef FOREIGN_COROUTINE_H
#define FOREIGN_COROUTINE_H

#include "fiber.h"
#include "foreign.h"

typedef struct {
    const foreign_library *lib;
    void *co, *stack;
    glet_fiber *fiber, *caller; /* NULL: not adopted */
    uintptr_t body;
    int done, code;
    long announced; /* pairs of foreign_announce */
} foreign;

int foreign_new(foreign **out, const foreign_library *lib, int adopt, size_t known, uintptr_t body);
int foreign_resume(foreign *f);
int foreign_yield(foreign *f);
int foreign_free(foreign *f);

/*
 * Announces n pairs of switches, to f and back, that it does not make: for a
 * benchmark. f's bounds must not be known.
 */
int foreign_announce(foreign *f, long n);

/* The same for that long. */
int foreign_announce_for(foreign *f, long ms);

/* In misuse.c. */
int foreign_misuse(const foreign_library *lib);

/* Calls f (a Go function) on a thread of its own, and waits for it; 0 or an errno. */
int foreign_thread(uintptr_t f);

#endif
