/* escape.h - calls a body and stops C++ exceptions that would leave it; in escape.c. */
#ifndef GLET_ESCAPE_H
#define GLET_ESCAPE_H

#include <stdint.h>

/*
 * Calls a greenlet_body. *exception becomes NULL, or the text of a C++ exception that has
 * left the body, to be freed with glet_exception_free.
 */
int glet_call_body(uintptr_t body, uintptr_t arg, uintptr_t value, uintptr_t *result, char **exception);
void glet_exception_free(char *text);

#endif
