/*
 * annotate.h - tells sanitizers and valgrind of stacks and switches.
 *
 * AddressSanitizer keeps the bounds of the running stack, and where it looks for
 * the use of variables after their return, a shadow of them on a fake stack.
 * LeakSanitizer looks for pointers on the threads' stacks only. ThreadSanitizer
 * keeps a stack of calls and a clock per fiber. valgrind takes a large change of
 * the stack pointer for a large frame, unless both places are known stacks.
 *
 * Of this nothing is left in a build without sanitizers, but for valgrind's: a few
 * instructions that do nothing, when a stack is taken or given back.
 */
#ifndef GLET_ANNOTATE_H
#define GLET_ANNOTATE_H

#include <stddef.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define GLET_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define GLET_TSAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define GLET_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__)
#define GLET_TSAN 1
#endif

#ifdef GLET_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#endif
#ifdef GLET_TSAN
#include <sanitizer/tsan_interface.h>
#endif
#if defined(__has_include) && !defined(__cppcheck__) /* which cannot evaluate it */
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif

/* What they want kept for each stack. */
typedef struct {
#ifdef GLET_ASAN
    void *fake_stack;   /* while suspended */
    const void *bottom; /* the stack that was left: a thread's, or what a library */
    size_t size;        /* has announced by itself, is not known before */
#endif
#ifdef GLET_TSAN
    void *fiber;
#endif
#ifdef VALGRIND_STACK_REGISTER
    unsigned valgrind;
#endif
    char none; /* C knows no empty struct */
} glet_notes;

static inline void glet_note_new(glet_notes *n, char *lo, char *hi)
{
#ifdef GLET_ASAN
    __lsan_register_root_region(lo, (size_t)(hi - lo));
#endif
#ifdef GLET_TSAN
    n->fiber = __tsan_create_fiber(0);
#endif
#ifdef VALGRIND_STACK_REGISTER
    n->valgrind = VALGRIND_STACK_REGISTER(lo, hi);
#endif
    (void)n, (void)lo, (void)hi;
}

/* The stack begins anew: what was poisoned for its last frames is not any more. */
static inline void glet_note_begin(glet_notes *n, char *lo, char *hi)
{
#ifdef GLET_ASAN
    n->fake_stack = NULL;
    n->bottom = lo;
    n->size = (size_t)(hi - lo);
    __asan_unpoison_memory_region(lo, (size_t)(hi - lo));
#endif
    (void)n, (void)lo, (void)hi;
}

static inline void glet_note_free(const glet_notes *n, char *lo, char *hi)
{
#ifdef GLET_ASAN
    __lsan_unregister_root_region(lo, (size_t)(hi - lo));
    __asan_unpoison_memory_region(lo, (size_t)(hi - lo));
#endif
#ifdef GLET_TSAN
    __tsan_destroy_fiber(n->fiber);
#endif
#ifdef VALGRIND_STACK_REGISTER
    VALGRIND_STACK_DEREGISTER(n->valgrind);
#endif
    (void)n, (void)lo, (void)hi;
}

#ifdef GLET_ASAN
static __thread glet_notes *glet_note_left; /* who has made the thread's last switch */
#endif

/* Just before a switch. from_ends: it will not go on. */
static inline void glet_note_leave(glet_notes *from, const glet_notes *to, int from_ends)
{
#ifdef GLET_TSAN
    if (from->fiber == NULL)
        from->fiber = __tsan_get_current_fiber(); /* a thread's own */
    __tsan_switch_to_fiber(to->fiber, 0);
#endif
#ifdef GLET_ASAN
    glet_note_left = from;
    __sanitizer_start_switch_fiber(from_ends ? NULL : &from->fake_stack, to->bottom, to->size);
#endif
    (void)from, (void)to, (void)from_ends;
}

/*
 * Just after one.  Go's panics and Goexit leave C frames behind without a word to
 * AddressSanitizer: what is below us is not in use, whatever was poisoned there.
 */
static inline void glet_note_arrive(glet_notes *self)
{
#ifdef GLET_ASAN
    enum { BELOW = 64 << 10 };
    char *sp = __builtin_frame_address(0);
    size_t below = (size_t)(sp - (const char *)self->bottom);
    if (self->bottom != NULL && sp > (const char *)self->bottom)
        __asan_unpoison_memory_region(sp - (below < BELOW ? below : BELOW),
                                      below < BELOW ? below : BELOW);
    __sanitizer_finish_switch_fiber(self->fake_stack, &glet_note_left->bottom,
                                    &glet_note_left->size);
#endif
    (void)self;
}

#endif
