/*
 * go_slot.h - where Go keeps g, and the search for it; in go_slot.c.
 *
 * Go finds its record of the running goroutine, g, in a thread-local word. The core treats
 * that word as its TLS slot (tls_slot.h).
 */
#ifndef GLET_GO_SLOT_H
#define GLET_GO_SLOT_H

#include <stdint.h>

/*
 * Writes to *(void **)out the g to search for: what is in the register that Go reserves for
 * it, or NULL on a CPU without such a register. It must be called by runtime.cgocall itself,
 * because cgo's wrapper, in between, may use the register for something else.
 */
int glet_go_g(void *out);

/*
 * Makes the word that holds g the core's TLS slot: GLET_OK or GLET_EWORD. `hint` is its
 * distance from the thread pointer where Go's assembler can tell it (amd64); with 0 the
 * thread-local block of the executable is searched for g.
 */
int glet_go_slot_find(intptr_t hint, void *g);

/*
 * Checks the place on the calling thread: GLET_OK or GLET_EWORD. Called by a second
 * goroutine on another thread, it shows that the first one was not found by chance.
 */
int glet_go_slot_verify(void *g);

/* The place that was found: the distance of g from the thread pointer. */
intptr_t glet_go_slot_offset(void);

#endif
