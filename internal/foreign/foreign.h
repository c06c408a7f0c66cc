/*
 * foreign.h - what the tests need of a C library's coroutines, in the words of any
 * of them; each library's package fills it in.  See foreign.go.
 */
#ifndef FOREIGN_H
#define FOREIGN_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    /* A coroutine that will run entry(arg), which does not return; NULL: errno. */
    void *(*make)(void *stack, size_t size, void (*entry)(void *), void *arg);
    void (*resume)(void *co);
    void (*yield)(void *co); /* from co, to where resume was called */
    void (*destroy)(void *co);
} foreign_library;

#endif
