//go:build cgo && linux

#include "fault.h"

#include <errno.h>

static unsigned long first_[GLET_FAULT_POINTS], last_[GLET_FAULT_POINTS], count_[GLET_FAULT_POINTS];

void glet_fault_set(enum glet_fault_point p, unsigned long first, unsigned long last)
{
    if ((unsigned)p >= GLET_FAULT_POINTS)
        return;
    __atomic_store_n(&count_[p], 0, __ATOMIC_RELAXED);
    __atomic_store_n(&first_[p], first, __ATOMIC_RELAXED);
    __atomic_store_n(&last_[p], last, __ATOMIC_RELEASE);
}

unsigned long glet_fault_count(enum glet_fault_point p)
{
    return (unsigned)p < GLET_FAULT_POINTS ? __atomic_load_n(&count_[p], __ATOMIC_RELAXED) : 0;
}

int glet_fault(enum glet_fault_point p)
{
    unsigned long last = __atomic_load_n(&last_[p], __ATOMIC_ACQUIRE);
    if (__builtin_expect(last == 0, 1))
        return 0;
    unsigned long n = __atomic_add_fetch(&count_[p], 1, __ATOMIC_RELAXED);
    if (n < __atomic_load_n(&first_[p], __ATOMIC_RELAXED) || n > last)
        return 0;
    errno = p == GLET_FAULT_GUARD ? EINVAL : p == GLET_FAULT_KEY ? EAGAIN : ENOMEM;
    return 1;
}
