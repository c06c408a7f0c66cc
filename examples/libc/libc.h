/*
 * libc.h - three functions of the C library that only know how to call back.
 *
 * Nothing here is written for greenlets.  The callbacks may suspend their
 * greenlet all the same: the function then just takes long to get its answer.
 */
#ifndef LIBC_H
#define LIBC_H

#include <stddef.h>
#include <stdint.h>

/* nftw(3): calls libcVisit(walk, ...) for every entry below dir. */
int libc_walk(const char *dir, uintptr_t walk);

/* qsort_r(3): sorts numbers in the order that libcCompare(sort, a, b) says. */
void libc_sort(intptr_t *numbers, size_t n, uintptr_t sort);

/* bsearch(3): the one of numbers for which libcLook(search, it) is 0; or -1. */
intptr_t libc_search(const intptr_t *numbers, size_t n, uintptr_t search);

/* The callbacks, exported by walk.go, sort.go and search.go. */
extern int libcVisit(uintptr_t walk, char *path, int dir, long long size, int level, int err);
extern int libcCompare(uintptr_t sort, intptr_t a, intptr_t b);
extern int libcLook(uintptr_t search, intptr_t at);

#endif
