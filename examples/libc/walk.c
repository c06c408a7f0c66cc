//go:build cgo && linux

#define _GNU_SOURCE
#include "libc.h"

#include <errno.h>
#include <ftw.h>

/* Directories that nftw may keep open.  musl does not go deeper than that. */
enum { MAX_OPEN = 500 };

/*
 * nftw has no argument for its caller's data, so it goes through a thread-local
 * word.  Other walks may use the thread while Go has it, and their word stays
 * behind.  So the word is set on every way into nftw: when it is called, and when
 * its callback returns.  In between nothing but nftw runs.
 */
static __thread uintptr_t current;

static int visit(const char *path, const struct stat *st, int type, struct FTW *at)
{
    uintptr_t walk = current;
    int dir = type == FTW_D || type == FTW_DNR;
    int err = type == FTW_DNR || type == FTW_NS ? errno : 0;
    long long size = type == FTW_NS ? 0 : st->st_size;

    int stop = libcVisit(walk, (char *)path, dir, size, at->level, err);
    current = walk;
    return stop;
}

int libc_walk(const char *dir, uintptr_t walk)
{
    current = walk;
    return nftw(dir, visit, MAX_OPEN, FTW_PHYS);
}
