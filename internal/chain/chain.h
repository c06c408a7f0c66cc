/*
 * chain.h - a library that keeps its frames in a chain, whose end is in a variable of the
 * thread, and goes by it when it returns and when it traps, which is a signal. wasmtime is
 * such a one (wasmtime::runtime::vm::traphandlers::tls): bit 0 of its word says that the thread
 * is set up for signals, and belongs to the thread and not to those who run on it.
 */
#ifndef CHAIN_H
#define CHAIN_H

#include "greenlet.h"
#include <stddef.h>
#include <stdint.h>

/* The variable. */
void *chain_word(void);
size_t chain_size(void);

/* Sets the thread up, unless the word says that it is; chain_call does so, too. How often that
 * was done. */
void chain_setup(void);
int chain_setups(void);

/* Enters `depth` frames, calls back, and leaves them: 0, or below 0 a trap, which the callback
 * asks for. `broken` counts frames that did not find themselves at the end of the chain. */
int chain_call(uintptr_t h, int depth);
long chain_broken(void);

/* How many frames are in the chain. */
int chain_length(void);

/* Sets errno to e, calls back, and returns errno. */
int chain_errno(uintptr_t h, int e);

extern int chainCallback(uintptr_t h); /* in Go: not 0 asks for a trap */

#endif
