/* stack.h - guarded stacks, cut from slabs; in stack.c. */
#ifndef GLET_STACK_H
#define GLET_STACK_H

#include <stddef.h>

struct glet_slab;

typedef struct {
    char *lo, *hi;          /* the usable part; the guard is below lo */
    struct glet_slab *slab; /* where it goes back to */
    unsigned index;
} glet_stack;

/* Takes a stack of at least `size` bytes (0: the default). GLET_ code. */
int glet_stack_alloc(glet_stack *out, size_t size);

/* Gives it back; its memory goes back to the system. */
void glet_stack_free(glet_stack *s);

#endif
