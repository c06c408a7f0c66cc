/* go_overflow.h - says whose C stack it was that has overflowed; in go_overflow.c. */
#ifndef GLET_GO_OVERFLOW_H
#define GLET_GO_OVERFLOW_H

#include <stddef.h>

/*
 * Where the name of the running greenlet is found: offsets of fields of Go structs of package
 * greenlet, along the way from the first thread-local word (go_thread.h), which names the tree.
 */
typedef struct {
    size_t tree_current, greenlet_core, core_name, core_id;
} glet_name_layout;

/*
 * From now on a fault in the guard of the running coroutine's stack is explained
 * on the standard error stream, before the handler of SIGSEGV that was there does what
 * it does. Once for a process. 0, or an errno: then nothing is explained.
 */
int glet_go_explain_overflows(const glet_name_layout *layout);

#endif
