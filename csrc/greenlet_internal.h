/* greenlet_internal.h - what greenlet.c offers to Go's side of greenlet.h (capi.go). */
#ifndef GLET_GREENLET_INTERNAL_H
#define GLET_GREENLET_INTERNAL_H

#include <stddef.h>

/* Package greenlet is initialised: from now on calls are passed on to Go. */
void glet_greenlet_ready(void);

/*
 * The buffer of the calling thread's greenlet_message, and its size. NULL if there is no
 * memory or no thread-local key for it; the message is then the meaning of the code.
 */
char *glet_message(int code, size_t *size);

#endif
