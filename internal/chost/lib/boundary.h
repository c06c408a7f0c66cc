/*
 * boundary.h - for a host whose language switches where it likes (Python with greenlets): the
 * pattern boundary of csrc/fiber.h. For as long as the host's code runs, the hub does.
 */
#ifndef LIB_BOUNDARY_H
#define LIB_BOUNDARY_H

#include <fiber.h>

typedef int lib_function(int n);

/* From here to the end the calling thread may use the functions below, and no others of this
 * library. python is what boundary_call comes back to. A GLET_ code. */
int boundary_begin(lib_function *python);
int boundary_end(void);

/* The fiber of one of the host's coroutines; NULL: there is no memory. */
glet_fiber *boundary_new(void);
int boundary_free(glet_fiber *f);

/* Calls Go, which calls python(n), which may switch: 2 n; below 0: what is wrong. f is that of the
 * coroutine that calls. boundary_collect has Go collect. */
int boundary_call(glet_fiber *f, int n);
int boundary_collect(glet_fiber *f);

#endif
