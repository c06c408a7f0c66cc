/*
 * hub.h - libraries with threads of their own and a scheduler, adopted by the pattern "hub"
 * of csrc/fiber.h. Each library's package fills in a hub_library.
 */
#ifndef FOREIGN_HUB_H
#define FOREIGN_HUB_H

#include <stdint.h>

typedef struct {
    int (*begin)(void);                               /* on the OS thread, once: 0, or it failed */
    void *(*spawn)(void (*entry)(void *), void *arg); /* a thread of the library's; NULL */
    void (*pause)(void);                              /* lets others run */
    void (*join)(void *thread);                       /* waits for its end, and frees it */
} hub_library;

/*
 * Runs n threads of the library's, each of which calls Go (hubBody(h, its number)) once, and
 * returns when all have ended: 0, or what has gone wrong. adopt 0: Go is told nothing.
 */
int hub_run(const hub_library *lib, int adopt, int n, uintptr_t h);

/* For Go, on one of these threads: lets others run. */
int hub_pause(void);

extern void hubBody(uintptr_t h, int i); /* in Go */

#endif
