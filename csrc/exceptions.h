/*
 * exceptions.h - C++ exceptions that are being handled stay with their coroutine.
 *
 * The C++ runtime keeps, for each thread, the exceptions that are caught (a `throw;`
 * or std::current_exception asks for the last one) and the number of those on their
 * way (std::uncaught_exceptions). A coroutine that switches in a catch block, or in
 * a destructor during unwinding, must find its own there when it goes on, so the
 * core swaps them. (boost.context's fiber does the same.)
 *
 * __cxa_get_globals and the beginning of what it returns are the Itanium C++ ABI,
 * 2.2.2; GCC's and LLVM's runtimes have them so.
 *
 * The reference is weak: a program without C++ stays one. It is resolved when
 * the program is linked or started, so a C++ runtime that comes later, with dlopen,
 * is not known, and its coroutines should not switch while an exception is handled.
 *
 * GCC's record is thread-local. LLVM's is on the heap, and is freed as the thread ends
 * by the destructor of a thread-local key: whoever goes on in a later destructor asks
 * again.
 */
#ifndef GLET_EXCEPTIONS_H
#define GLET_EXCEPTIONS_H

#include <stddef.h>
#include <stdint.h>

struct glet_exceptions {
    void *caught;
    unsigned uncaught;
};

extern struct glet_exceptions *__cxa_get_globals(void) __attribute__((weak));

/* Those of the calling thread; NULL: there is no C++ in this program. */
static inline struct glet_exceptions *glet_exceptions_of_thread(void)
{
    struct glet_exceptions *(*get)(void) = __cxa_get_globals;
    return get == NULL ? NULL : get();
}

static inline int glet_exceptions_any(const struct glet_exceptions *e)
{
    return ((uintptr_t)e->caught | e->uncaught) != 0;
}

#endif
