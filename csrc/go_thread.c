//go:build cgo && linux

/*
 * go_thread.c - see go_thread.h. What is relied on of the runtime: mexit, allocm (proc.go)
 * and traceThreadDestroy (traceruntime.go), as thread_exit says, and go_m.c.
 */
#define _GNU_SOURCE
#include "go_thread.h"
#include "coro.h"
#include "fault.h"
#include "fiber_onem.h"
#include "go_calls.h"
#include "go_m.h"
#include "tls_slot.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>

static __thread struct {
    void *words[2]; /* Go's, see glet_go_local_offset */
    int elsewhere;  /* see glet_go_thread_attach */
} local __attribute__((tls_model("initial-exec")));

intptr_t glet_go_local_offset(void) { return (char *)local.words - glet_thread_pointer(); }
void *glet_go_local(int i) { return local.words[i]; }
void glet_go_local_set(int i, void *v) { local.words[i] = v; }

static void report_exit(void *thread, int elsewhere)
{
    glet_go_m_lock();
    greenletThreadExit((uintptr_t)thread, elsewhere);
    glet_go_m_unlock();
}

static void *report_elsewhere(void *thread)
{
    report_exit(thread, 1);
    return NULL;
}

/*
 * At the end of a thread that Go made, g still is the g0 of an M that is gone (mexit), so a
 * callback would have to come as from an unknown thread. But that M's events are still in its
 * buffers: traceThreadDestroy writes them when allocm walks sched.freem. The events of the M
 * that the callback gets would be of the same thread, in a buffer of their own, and no tool can
 * read such an execution trace. So another thread calls Go, one that has nothing else to do. If
 * none can be had, a trace that cannot be read is the lesser evil.
 *
 * On a thread that C made, g is a living M's g0, or nil if runtime/cgo's destructor came first.
 */
static void thread_exit(void *thread)
{
    if (!glet_go_m_is_bound()) {
        glet_tls_slot_store(NULL);
        if (local.elsewhere) {
            pthread_t t;
            glet_onem_thread(0);
            glet_coro_thread_end();
            if (pthread_create(&t, NULL, report_elsewhere, thread) == 0) {
                (void)pthread_detach(t);
                return;
            }
        }
    }
    report_exit(thread, 0);
}

/* Makes the key at the first call: 0 or an errno. A key that was refused may be had later. */
static int exit_key(pthread_key_t *out)
{
    static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
    static pthread_key_t key;
    static int made;

    pthread_mutex_lock(&mu);
    int e = 0;
    if (!made) {
        e = glet_fault(GLET_FAULT_KEY) ? errno : pthread_key_create(&key, thread_exit);
        made = e == 0;
    }
    *out = key;
    pthread_mutex_unlock(&mu);
    return e;
}

int glet_go_thread_attach(uintptr_t thread, int elsewhere)
{
    pthread_key_t key;
    int e = exit_key(&key);
    if (e == 0)
        e = glet_fault(GLET_FAULT_KEY) ? errno : pthread_setspecific(key, (void *)thread);
    if (e == 0) {
        local.elsewhere = elsewhere;
        return GLET_OK;
    }
    errno = e;
    return GLET_EKEY;
}
