//go:build cgo && linux

/* go_worker.c - see go_worker.h. What is relied on of the runtime is in go_m.c. */
#define _GNU_SOURCE
#include "go_worker.h"
#include "go_calls.h"
#include "go_m.h"
#include "tls_slot.h"

#include <pthread.h>
#include <signal.h>

static __thread glet_coro *retirer __attribute__((tls_model("initial-exec"))); /* who waits in glet_go_worker_retire */

static glet_coro *worker_main(void *worker)
{
    sigset_t mask;
    if (pthread_sigmask(SIG_SETMASK, NULL, &mask) == 0)
        glet_go_m_keep_mask(&mask);
    glet_go_m_lock(); /* glet_go_worker_entered unlocks it */
    greenletEnter((uintptr_t)worker);

    /* Where the C library has no key left for x_cgo_bindm, the runtime has dropped the M already. */
    void *g0 = glet_tls_slot_load();
    if (g0 != NULL)
        glet_go_m_drop(g0);
    return retirer;
}

void glet_go_worker_entered(void) { glet_go_m_unlock(); }

int glet_go_worker_new(glet_coro **out, size_t stack_size, uintptr_t worker)
{
    return glet_coro_new(out, stack_size, worker_main, (void *)worker);
}

int glet_go_worker_retire(glet_coro *worker)
{
    sigset_t mask; /* dropm sets the one that the worker was bound with */
    (void)pthread_sigmask(SIG_SETMASK, NULL, &mask);
    retirer = glet_coro_current();
    int code = glet_coro_switch(worker);
    (void)pthread_sigmask(SIG_SETMASK, &mask, NULL);
    return code != GLET_OK ? code : glet_coro_free(worker);
}
