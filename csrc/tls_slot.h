/*
 * tls_slot.h - one word of thread-local memory that travels with the coroutine.
 *
 * A language runtime that finds its record of the running thread in a thread-local word
 * must find there the record of the coroutine that runs. The core therefore saves and
 * restores that word, the TLS slot, at every switch, as it does a callee-saved register.
 * A fresh coroutine has NULL there. Where no slot was set, nothing is done.
 */
#ifndef GLET_TLS_SLOT_H
#define GLET_TLS_SLOT_H

#include <stddef.h>
#include <stdint.h>

/*
 * The offset that stands for "there is no slot". On amd64 and arm64 it is 0: the word at
 * the thread pointer itself belongs to the C library there. On other CPUs the first
 * thread-local variable can lie there, so the value is one that no offset has.
 */
#if defined(__x86_64__) || defined(__aarch64__)
#define GLET_NO_TLS_SLOT 0
#else
#define GLET_NO_TLS_SLOT PTRDIFF_MIN
#endif

/* The slot's distance from the thread pointer, in bytes, or GLET_NO_TLS_SLOT; in coro.c. */
extern ptrdiff_t glet_tls_slot_offset; /* coro.h declares it, too, for the inline switch */

static inline char *glet_thread_pointer(void)
{
#if defined(__x86_64__)
    char *tp;
    __asm__("movq %%fs:0, %0" : "=r"(tp)); /* the ABI keeps the block's own address at its beginning */
    return tp;
#elif defined(__powerpc64__)
    char *tp; /* r13 points 28 KiB beyond the block, and TLS offsets are relative to r13 */
    __asm__("mr %0, 13" : "=r"(tp));
    return tp;
#else
    return __builtin_thread_pointer();
#endif
}

static inline void *glet_tls_slot_load(void)
{
    if (glet_tls_slot_offset == GLET_NO_TLS_SLOT)
        return NULL;
#if defined(__x86_64__)
    void *v;
    __asm__ volatile("movq %%fs:(%1), %0" : "=r"(v) : "r"(glet_tls_slot_offset) : "memory");
    return v;
#else
    return *(void *volatile *)(glet_thread_pointer() + glet_tls_slot_offset);
#endif
}

static inline void glet_tls_slot_store(void *v)
{
    if (glet_tls_slot_offset == GLET_NO_TLS_SLOT)
        return;
#if defined(__x86_64__)
    __asm__ volatile("movq %0, %%fs:(%1)" : : "r"(v), "r"(glet_tls_slot_offset) : "memory");
#else
    *(void *volatile *)(glet_thread_pointer() + glet_tls_slot_offset) = v;
#endif
}

/*
 * Saves the slot in *from and loads it from *to. The store to *from comes before the load
 * of *to, because the two are the same word when a coroutine switches to itself.
 */
static inline void glet_tls_slot_exchange(void **from, void *const *to)
{
    ptrdiff_t at = glet_tls_slot_offset;
    if (at == GLET_NO_TLS_SLOT)
        return;
    void *v;
#if defined(__x86_64__)
    __asm__ volatile("movq %%fs:(%1), %0" : "=r"(v) : "r"(at) : "memory");
    *from = v;
    v = *to;
    __asm__ volatile("movq %0, %%fs:(%1)" : : "r"(v), "r"(at) : "memory");
#else
    void *volatile *slot = (void *volatile *)(glet_thread_pointer() + at);
    v = *slot;
    *from = v;
    *slot = *to;
#endif
}

#endif
