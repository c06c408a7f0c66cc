/*
 * interface.h - what Go hands in for greenlet.h: for each call the function of Go
 * that does it, with arguments that have been looked at. What is a void * to C is a
 * number here: Go may take no 5 for a pointer.
 */
#ifndef GLET_INTERFACE_H
#define GLET_INTERFACE_H

#include "greenlet.h"

typedef struct {
    int (*make)(greenlet **out, uintptr_t body, uintptr_t arg, greenlet *parent, size_t stack_size);
    int (*make_go)(greenlet **out, uintptr_t func, greenlet *parent, size_t stack_size);
    int (*free)(greenlet *g);
    int (*free_value)(uintptr_t value);
    int (*current)(greenlet **out);
    greenlet *(*self)(void);
    int (*pass)(greenlet *g, int code, uintptr_t value, uintptr_t *result); /* result may be NULL */
    int (*kill)(greenlet *g);
    int (*parent)(greenlet *g, greenlet **out);
    int (*set_parent)(greenlet *g, greenlet *parent);
    int (*ask)(greenlet *g, int what);
    int (*section)(int enter);
    int (*carry)(uintptr_t word, size_t size);
} glet_interface;

enum { GLET_ASK_STATE, GLET_ASK_ROOT, GLET_ASK_STARTED, GLET_ASK_ACTIVE };

void glet_interface_init(const glet_interface *i);

/* Where the calling thread's greenlet_message is written, and its room. NULL: nowhere,
 * without memory or a thread-local key; then it is what the code means. */
char *glet_message(int code, size_t *size);

/* Calls a body in C. *exception: NULL, or the text of a C++ exception that has left it, to be freed below. */
int glet_call_body(uintptr_t body, uintptr_t arg, uintptr_t value, uintptr_t *result, char **exception);
void glet_exception_free(char *text);

#endif
