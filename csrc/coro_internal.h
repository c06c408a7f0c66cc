/*
 * coro_internal.h - what coro.c offers to the other files of this folder and not to users.
 *
 * The core knows neither Go nor fibers nor greenlets. Those who build on it find here what
 * they need to see of a coroutine: whose turn it is, where a suspended one was left, and
 * one pointer of their own.
 */
#ifndef GLET_CORO_INTERNAL_H
#define GLET_CORO_INTERNAL_H

#include "coro.h"

#include <stddef.h>

struct glet_exceptions;

/*
 * The address of the calling thread's word that names the current coroutine. An engine
 * that puts a coroutine's stack in place by other means than a switch (internal/gort)
 * stores the coroutine there.
 */
glet_coro **glet_coro_current_address(void);

/* The C++ exceptions of the running coroutine (exceptions.h), where the C++ runtime keeps
 * them for the calling thread. NULL if there is no C++ in the program. The core reads them
 * there from now on. */
struct glet_exceptions *glet_coro_exceptions(void);

/* Calls visit for each coroutine of the calling thread that has not finished, its root first. */
void glet_coro_each(void (*visit)(void *arg, glet_coro *c), void *arg);

/* The stack pointer with which a suspended coroutine was left. */
void *glet_coro_saved_sp(const glet_coro *c);

/* The saved registers of a suspended coroutine and their size, if they are not on its
 * stack; else NULL. */
void *glet_coro_saved_registers(const glet_coro *c, size_t *size);

/*
 * The size of the running coroutine's stack if the address lies in the guard below it;
 * else 0. Async-signal-safe.
 */
size_t glet_coro_overflowed(const void *address);

/* The saved TLS slot (tls_slot.h) of a suspended coroutine. */
void **glet_coro_saved_tls_slot(glet_coro *c);

/*
 * What one other layer keeps with a coroutine (fiber.c does). The object begins with this
 * struct, whose functions the core calls.
 */
struct glet_attachment {
    /* c is suspended and nothing on its stack will run again: it is restarted or freed. */
    void (*reset)(struct glet_attachment *self, glet_coro *c);
    /* Called after reset when c is freed. */
    void (*destroy)(struct glet_attachment *self);
};

struct glet_attachment *glet_coro_attachment(const glet_coro *c);
void glet_coro_attach(glet_coro *c, struct glet_attachment *a); /* NULL: nothing any more */

#endif
