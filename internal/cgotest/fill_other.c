//go:build !amd64 && !arm64 && !riscv64 && cgo && linux

#include "cgotest.h"

/* Other CPUs have the ucontext backend, whose registers are the C library's. */
uint64_t cgotest_fill(void (*fn)(void *), void *arg, uint64_t pattern)
{
    (void)pattern;
    fn(arg);
    return 0;
}
