//go:build cgo && linux

/*
 * stack.c - guarded stacks, cut from slabs.
 *
 * A slab is one mapping that holds many stacks of one size, each with its guard
 * below it:
 *
 *      base                                             base + count * slot
 *      | guard | stack 0 ...... | guard | stack 1 ...... | ...
 *
 * MADV_GUARD_INSTALL (Linux 6.13) makes a guard without splitting the mapping.
 * Older kernels get mprotect(PROT_NONE), which makes two mappings of one: with
 * the kernel's default of 65,530 mappings that ends at about 32,000 stacks, with
 * GLET_EGUARD and ENOMEM.
 *
 * Guards are made when a slot is first used, so that an unused slab costs
 * nothing.  They stay when the slot is given back, since neither kind is undone
 * by MADV_DONTNEED.
 */
#define _GNU_SOURCE
#include "stack.h"
#include "coro.h"
#include "debug.h"
#include "fault.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* from Linux 6.13's uapi; older headers lack it */
#endif
#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif

#define SLAB_BYTES ((size_t)16 << 20) /* aim of a slab's size */
#define SLAB_SLOTS 256                /* and the most stacks in one */

struct glet_slab {
    struct glet_slab *next, *prev; /* in its class's list while it has room */
    struct glet_slab *older, *newer; /* in glet_slabs */
    struct glet_class *class;
    char *base;
    unsigned count;   /* slots in all */
    unsigned fresh;   /* slots from here on were never used: no guard yet */
    unsigned used;    /* slots in use */
    unsigned nfree;   /* entries of free[] */
    unsigned char free[SLAB_SLOTS]; /* slots that were used and given back */
};

/* All slabs of one stack size. */
struct glet_class {
    struct glet_class *next;
    size_t slot;             /* guard and stack, in bytes */
    struct glet_slab *room;  /* slabs with a free slot */
    unsigned empty;          /* how many of them are wholly unused: 0 or 1 */
};

/* All of them, for debuggers: see scripts/greenlet-gdb.py. */
struct glet_slab *glet_slabs;

static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static struct glet_class *classes; /* never freed: one per size ever asked for */
static glet_usage usage;
static size_t page;
static size_t guarded; /* GLET_STACK_GUARD in whole pages */

static struct glet_class *class_of(size_t slot)
{
    struct glet_class *c;
    for (c = classes; c != NULL; c = c->next)
        if (c->slot == slot)
            return c;
    c = glet_fault(GLET_FAULT_MALLOC) ? NULL : calloc(1, sizeof *c);
    if (c == NULL)
        return NULL;
    c->slot = slot;
    c->next = classes;
    classes = c;
    return c;
}

static void room_add(struct glet_slab *s)
{
    s->prev = NULL;
    s->next = s->class->room;
    if (s->next != NULL)
        s->next->prev = s;
    s->class->room = s;
}

static void room_remove(struct glet_slab *s)
{
    if (s->prev != NULL)
        s->prev->next = s->next;
    else
        s->class->room = s->next;
    if (s->next != NULL)
        s->next->prev = s->prev;
}

/* A new slab, as large as the address space allows; NULL with errno. */
static struct glet_slab *slab_new(struct glet_class *c)
{
    struct glet_slab *s = glet_fault(GLET_FAULT_MALLOC) ? NULL : calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    size_t count = SLAB_BYTES / c->slot;
    if (count > SLAB_SLOTS)
        count = SLAB_SLOTS;
    if (count == 0)
        count = 1;
    void *p = MAP_FAILED;
    for (;; count /= 2) { /* under ulimit -v a small one may still fit */
        if (!glet_fault(GLET_FAULT_MMAP))
            p = mmap(NULL, count * c->slot, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
        if (p != MAP_FAILED || count == 1)
            break;
    }
    if (p == MAP_FAILED) {
        int e = errno;
        free(s);
        errno = e;
        return NULL;
    }
    /*
     * Two wishes; the stacks work without them, so a kernel that knows neither
     * is no error.  Huge pages would make 2 MiB resident for each touched stack.
     */
    (void)madvise(p, count * c->slot, MADV_NOHUGEPAGE);
    (void)prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, p, count * c->slot, "greenlet stacks");
    s->class = c;
    s->base = p;
    s->count = (unsigned)count;
    s->older = glet_slabs;
    if (s->older != NULL)
        s->older->newer = s;
    glet_slabs = s;
    usage.slabs++;
    usage.reserved += count * c->slot;
    room_add(s);
    c->empty++;
    return s;
}

static void slab_free(struct glet_slab *s)
{
    size_t bytes = s->count * s->class->slot;
    /*
     * munmap of part of a merged mapping makes two of one and so can fail with
     * ENOMEM.  Then the slab stays, empty and ready for use.
     */
    if (glet_fault(GLET_FAULT_MUNMAP) || munmap(s->base, bytes) != 0)
        return;
    room_remove(s);
    *(s->newer != NULL ? &s->newer->older : &glet_slabs) = s->older;
    if (s->older != NULL)
        s->older->newer = s->newer;
    s->class->empty--;
    usage.slabs--;
    usage.reserved -= bytes;
    free(s);
}

/*
 * Who emulates a kernel may take an advice that it does not know for one that need
 * not be followed; qemu-user does. A guard cannot be read, not even by the kernel.
 */
static int is_guarded(char *at)
{
    /* To make it resident is to fault, which a guard does not allow. (Kernels that know
     * guards know this advice. A call that takes the page for its data would do as well,
     * but valgrind looks at such data first, by itself.) */
    enum { PAGE = 4096, POPULATE_READ = 22 };
    return madvise(at, PAGE, POPULATE_READ) != 0 && errno == EFAULT;
}

/* As madvise: 0, or -1 and errno. */
static int install_guard(char *at)
{
    if (glet_fault(GLET_FAULT_GUARD))
        return -1;
    return glet_fault(GLET_FAULT_ADVICE) ? 0 : madvise(at, guarded, MADV_GUARD_INSTALL);
}

static int guard(char *at)
{
    if (usage.guard_kind != 2) {
        if (install_guard(at) == 0) {
            if (usage.guard_kind == 1 || is_guarded(at)) {
                usage.guard_kind = 1;
                return 0;
            }
        } else if (errno != EINVAL) /* the kernel knows it but cannot do it now */
            return -1;
    }
    if (glet_fault(GLET_FAULT_MPROTECT) || mprotect(at, guarded, PROT_NONE) != 0)
        return -1;
    /*
     * Only a kernel that never made a guard is taken for one that cannot: a
     * mapping that refuses it (mlockall makes them so) is a case of its own.
     */
    if (usage.guard_kind == 0)
        usage.guard_kind = 2;
    return 0;
}

int glet_stack_alloc(glet_stack *out, size_t size)
{
    if (size == 0)
        size = GLET_STACK_DEFAULT;
    if (size < GLET_STACK_FLOOR)
        size = GLET_STACK_FLOOR;
    if (size > GLET_STACK_MAX)
        return GLET_ESIZE;

    int code = GLET_ENOMEM, e = 0;
    pthread_mutex_lock(&mu);
    if (page == 0) {
        page = (size_t)sysconf(_SC_PAGESIZE);
        guarded = (GLET_STACK_GUARD + page - 1) & ~(page - 1);
    }
    size = (size + page - 1) & ~(page - 1);

    struct glet_class *c = class_of(guarded + size);
    struct glet_slab *s = c == NULL ? NULL : c->room;
    if (c != NULL && s == NULL)
        s = slab_new(c);
    if (s == NULL) {
        e = errno;
        goto out;
    }

    unsigned i;
    if (s->nfree > 0) {
        i = s->free[--s->nfree];
    } else {
        i = s->fresh;
        if (guard(s->base + i * c->slot) != 0) {
            e = errno;
            code = GLET_EGUARD;
            goto out; /* nothing taken: the slot is as fresh as before */
        }
        s->fresh++;
    }
    if (s->used++ == 0)
        c->empty--;
    if (s->used == s->count)
        room_remove(s);
    usage.stacks++;
    out->lo = s->base + i * c->slot + guarded;
    out->hi = out->lo + size;
    out->slab = s;
    out->index = i;
    code = GLET_OK;
out:
    pthread_mutex_unlock(&mu);
    if (code != GLET_OK)
        errno = e;
    return code;
}

void glet_stack_free(glet_stack *st)
{
    struct glet_slab *s = st->slab;
    /*
     * Should this fail, the pages stay resident until the slab goes or the slot
     * is used again: no harm but memory, so there is nothing to report.
     */
    if (!glet_fault(GLET_FAULT_RELEASE))
        (void)madvise(st->lo, (size_t)(st->hi - st->lo), MADV_DONTNEED);

    pthread_mutex_lock(&mu);
    GLET_REQUIRE(s->used > 0 && st->index < s->fresh && s->nfree < s->count);
    if (s->used == s->count)
        room_add(s);
    s->free[s->nfree++] = (unsigned char)st->index;
    usage.stacks--;
    /* One empty slab is kept, so that a single stack made and freed costs little. */
    if (--s->used == 0 && s->class->empty++ > 0)
        slab_free(s);
    pthread_mutex_unlock(&mu);
}

void glet_stack_usage(glet_usage *out)
{
    if (out == NULL)
        return;
    pthread_mutex_lock(&mu);
    *out = usage;
    pthread_mutex_unlock(&mu);
}
