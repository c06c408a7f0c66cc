/* unaware.c - the inline switch, of whoever does not say how the core was built. */
#include "coro.h"

#include <stdio.h>

static int order;

static glet_coro *counts(void *root)
{
    for (int i = 0; i < 2; i++) {
        order = order * 10 + 2;
        if (glet_coro_switch_inline((glet_coro *)root) != GLET_OK)
            return NULL;
    }
    return (glet_coro *)root;
}

int main(void)
{
    glet_coro *c;
    if (glet_coro_new(&c, 0, counts, glet_coro_current()) != GLET_OK)
        return 1;
    for (int i = 0; i < 3; i++) {
        order = order * 10 + 1;
        if (glet_coro_switch_inline(c) != GLET_OK)
            return 2;
    }
    printf("%s %d %d %d\n", glet_backend(), order, glet_coro_switch_inline(c), glet_coro_switch_inline(NULL));
    return glet_coro_free(c);
}
