//go:build cgo && linux

/*
 * go_slot.c - see go_slot.h.
 *
 * What is relied on, to be read again at the next Go release: asmcgocall (runtime/asm_*.s)
 * leaves the M's g0 in the register that Go reserves for g, and the register is callee-saved
 * in C; the runtime's TLS variable (runtime.tlsg) lies in the executable's thread-local block
 * or, in a shared library, in that library's.
 */
#define _GNU_SOURCE
#include "go_slot.h"
#include "coro.h"
#include "tls_slot.h"

#include <link.h>
#include <stddef.h>

static inline void *g_register(void)
{
    void *g = NULL;
#if defined(__aarch64__)
    __asm__ volatile("mov %0, x28" : "=r"(g));
#elif defined(__riscv)
    __asm__ volatile("mv %0, s11" : "=r"(g));
#elif defined(__powerpc64__)
    __asm__ volatile("mr %0, 30" : "=r"(g));
#elif defined(__s390x__)
    __asm__ volatile("lgr %0, %%r13" : "=r"(g));
#elif defined(__loongarch64)
    __asm__ volatile("move %0, $r22" : "=r"(g));
#elif defined(__mips64)
    __asm__ volatile("move %0, $30" : "=r"(g));
#endif
    return g;
}

struct search {
    void *g;
    int found;
    ptrdiff_t offset;
};

static int search_module(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct search *s = arg;
    if (size < offsetof(struct dl_phdr_info, dlpi_tls_data) + sizeof info->dlpi_tls_data ||
        info->dlpi_tls_data == NULL)
        return 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        if (info->dlpi_phdr[i].p_type != PT_TLS)
            continue;
        void **w = info->dlpi_tls_data;
        for (size_t n = info->dlpi_phdr[i].p_memsz / sizeof *w; n > 0; n--, w++)
            if (*w == s->g) {
                s->found++;
                s->offset = (char *)w - glet_thread_pointer();
            }
    }
    return 0;
}

int glet_go_g(void *out)
{
    *(void **)out = g_register();
    return GLET_OK;
}

int glet_go_slot_find(intptr_t hint, void *g)
{
    if (hint != 0) {
        glet_tls_slot_offset = hint;
        return GLET_OK;
    }
    struct search s = {.g = g};
    if (s.g != NULL)
        dl_iterate_phdr(search_module, &s);
    if (s.found != 1) /* none, or no way to tell which one it is */
        return GLET_EWORD;
    glet_tls_slot_offset = s.offset;
    return GLET_OK;
}

int glet_go_slot_verify(void *g)
{
    void *v = glet_tls_slot_load();
    /* On amd64 there is no register to compare with; Go's side compares (GSlotHoldsG). */
    return v != NULL && (g == NULL || g == v) ? GLET_OK : GLET_EWORD;
}

intptr_t glet_go_slot_offset(void) { return glet_tls_slot_offset; }
