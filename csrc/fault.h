/*
 * fault.h - lets a test make a system call fail.
 *
 * Every call of the core that can fail asks glet_fault first.  It is one load of
 * a counter that is zero in all but the tests, on paths that make a system call
 * anyway.
 */
#ifndef GLET_FAULT_H
#define GLET_FAULT_H

enum glet_fault_point {
    GLET_FAULT_MALLOC,
    GLET_FAULT_MMAP,
    GLET_FAULT_MUNMAP,
    GLET_FAULT_GUARD,    /* madvise(MADV_GUARD_INSTALL): as if not known, EINVAL */
    GLET_FAULT_MPROTECT,
    GLET_FAULT_RELEASE,  /* madvise(MADV_DONTNEED) */
    GLET_FAULT_KEY,      /* pthread_key_create, pthread_setspecific */
    GLET_FAULT_ADVICE,   /* MADV_GUARD_INSTALL: accepted and not followed, as qemu-user does */
    GLET_FAULT_SIGACTION,
    GLET_FAULT_POINTS
};

/*
 * From now on the calls first..last of that kind fail, counted from 1; 0, 0
 * takes the fault back.  For tests that run alone.
 */
void glet_fault_set(enum glet_fault_point p, unsigned long first, unsigned long last);

/* How many calls there have been since. */
unsigned long glet_fault_count(enum glet_fault_point p);

/* Non-zero: fail this one (errno is set). */
int glet_fault(enum glet_fault_point p);

#endif
