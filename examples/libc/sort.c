//go:build cgo && linux

#define _GNU_SOURCE
#include "libc.h"

#include <stdlib.h>

static int compare(const void *a, const void *b, void *sort)
{
    return libcCompare((uintptr_t)sort, *(const intptr_t *)a, *(const intptr_t *)b);
}

void libc_sort(intptr_t *numbers, size_t n, uintptr_t sort)
{
    qsort_r(numbers, n, sizeof *numbers, compare, (void *)sort);
}
