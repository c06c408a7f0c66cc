//go:build greenlet_php

/*
 * fiber.c - PHP's fibers, adopted: PHP's observers are the three calls of csrc/fiber.h.
 *
 * The observer of switches is called just before the jump, in the same C function. PHP
 * never announces the birth of the main context, which is the thread itself, or the
 * greenlet, that PHP was called from.
 */
#define _GNU_SOURCE
#include "module.h"

#include <fiber.h>
#include <stdlib.h>
#include <zend_extensions.h>
#include <zend_observer.h>

struct slot {
    glet_fiber *fiber;
    uintptr_t job;
    struct slot *next, **link;
};

int php_fibers, php_kept;

static int reserved; /* which of a context's words is ours */
static struct slot *all;
static glet_fiber *outside; /* of the main context, while a fiber runs */

static struct slot *slot_of(zend_fiber_context *c) { return c == NULL ? NULL : c->reserved[reserved]; }

uintptr_t module_job(void)
{
    struct slot *s = slot_of(EG(current_fiber_context));
    return s == NULL ? 0 : s->job;
}

uintptr_t module_next_job;

static void fail(const char *what, int code)
{
    zend_error_noreturn(E_ERROR, "%s: %s", what, glet_text(code)); /* before the jump */
}

static void born(zend_fiber_context *c)
{
    struct slot *s = calloc(1, sizeof *s);
    int code = s == NULL ? GLET_ENOMEM : glet_fiber_new(&s->fiber, NULL, 0);
    if (code != GLET_OK) {
        free(s);
        fail("a fiber cannot be made known to Go", code);
    }
    s->job = module_next_job != 0 ? module_next_job : module_job();
    module_next_job = 0;
    s->next = all;
    s->link = &all;
    if (all != NULL)
        all->link = &s->next;
    all = s;
    c->reserved[reserved] = s;
    php_fibers++;
}

static void leaves(zend_fiber_context *from, zend_fiber_context *to)
{
    if (from == EG(main_fiber_context))
        outside = glet_fiber_current();
    struct slot *s = slot_of(to);
    int code = glet_fiber_switch(s == NULL ? outside : s->fiber);
    if (code != GLET_OK)
        fail("a switch of fibers", code);
}

static void drop(struct slot *s)
{
    if (glet_fiber_free(s->fiber) != GLET_OK)
        php_kept++; /* GLET_EFRAMES, on the portable engine: Go keeps it */
    *s->link = s->next;
    if (s->next != NULL)
        s->next->link = s->link;
    free(s);
    php_fibers--;
}

static void dies(zend_fiber_context *c)
{
    struct slot *s = slot_of(c);
    c->reserved[reserved] = NULL;
    if (s != NULL)
        drop(s);
}

void module_adopt(void)
{
    reserved = zend_get_resource_handle("greenlet");
    zend_observer_fiber_init_register(born);
    zend_observer_fiber_switch_register(leaves);
    zend_observer_fiber_destroy_register(dies);
}

void module_fibers_end(void)
{
    while (all != NULL)
        drop(all);
}
