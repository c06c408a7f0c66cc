//go:build cgo && linux

#include "libc.h"

#include <stdlib.h>

static int compare(const void *search, const void *at)
{
    return libcLook((uintptr_t)search, *(const intptr_t *)at);
}

intptr_t libc_search(const intptr_t *numbers, size_t n, uintptr_t search)
{
    const intptr_t *at = bsearch((void *)search, numbers, n, sizeof *numbers, compare);
    return at == NULL ? -1 : *at;
}
