/*
 * nogo.c - a program without Go: greenlet.h and fiber.h say that they can do nothing.
 */
#include "fiber.h"
#include "greenlet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* runtime/cgo has it. */
void crosscall2(void (*fn)(void *), void *arg, int n, size_t ctxt);
void crosscall2(void (*fn)(void *), void *arg, int n, size_t ctxt)
{
    (void)fn, (void)arg, (void)n, (void)ctxt;
    abort();
}

#define WANT(x) \
    do { \
        if (!(x)) { \
            fprintf(stderr, "nogo.c:%d: %s\n", __LINE__, #x); \
            exit(1); \
        } \
    } while (0)

static int body(void *arg, void *value, void **result)
{
    (void)arg, (void)value, (void)result;
    return 0;
}

int main(void)
{
    greenlet *g = NULL;
    glet_fiber *f = NULL;

    WANT(greenlet_new(&g, body, NULL, NULL, 0) == GREENLET_ENOGO);
    WANT(strcmp(greenlet_message(), greenlet_text(GREENLET_ENOGO)) == 0);
    WANT(greenlet_new_go(&g, &g, NULL, 0) == GREENLET_ENOGO);
    WANT(greenlet_current(&g) == GREENLET_ENOGO);
    WANT(greenlet_self() == NULL);
    WANT(greenlet_switch(g, NULL, NULL) == GREENLET_ENOGO);
    WANT(greenlet_throw(g, 1, NULL) == GREENLET_ENOGO);
    WANT(greenlet_kill(g) == GREENLET_ENOGO);
    WANT(greenlet_free(g) == GREENLET_ENOGO);
    WANT(greenlet_free_value(&g) == GREENLET_ENOGO);
    WANT(greenlet_parent(g, &g) == GREENLET_ENOGO);
    WANT(greenlet_set_parent(g, g) == GREENLET_ENOGO);
    WANT(greenlet_state(g) == GREENLET_ENOGO);
    WANT(greenlet_enter_section() == GREENLET_ENOGO);
    WANT(greenlet_leave_section() == GREENLET_ENOGO);
    WANT(g == NULL);
    WANT(glet_fiber_new(&f, NULL, 0) == GLET_EWORD && f == NULL);
    WANT(glet_fiber_switch(NULL) == GLET_ENULL);
    WANT(glet_fiber_current() != NULL);
    return 0;
}
