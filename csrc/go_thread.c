//go:build cgo && linux

/*
 * go_thread.c - see go_thread.h. What is relied on of the runtime: mexit, allocm and newm
 * (proc.go), and traceThreadDestroy (traceruntime.go), as thread_exit says; and go_m.c.
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
#include <stdlib.h>

static __thread void *words[2] __attribute__((tls_model("initial-exec"))); /* Go's, see glet_go_local_offset */

intptr_t glet_go_local_offset(void) { return (char *)words - glet_thread_pointer(); }
void *glet_go_local(int i) { return words[i]; }
void glet_go_local_set(int i, void *v) { words[i] = v; }

/* The value of the thread-specific key. */
struct attachment {
    uintptr_t thread;
    int later;
    struct attachment *next; /* in `ended` */
};

static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static struct attachment *ended; /* guarded by mu */
uint32_t glet_go_threads_ended;  /* the length of that list; written under mu */

/*
 * At the end of a thread that Go made, g still is the g0 of an M that is gone (mexit), so a
 * callback would have to come as from an unknown thread. But that M's events are still in its
 * buffers: traceThreadDestroy writes them when allocm walks sched.freem. The events of the M
 * that the callback gets would be of the same thread, in a buffer of their own, and no tool can
 * read such an execution trace. And a goroutine that runs there can make the runtime create
 * threads (newm, proc.go), which inherit what has been changed on this one: its namespace, say,
 * or its rounding mode. Go ends the thread of a locked goroutine for that reason. A thread that
 * is made here to call Go would have inherited that, too. So this notes the end only, and Go
 * looks at the list; see endThreads in thread.go.
 *
 * On a thread that C made, g is a living M's g0, or nil if runtime/cgo's destructor came first.
 */
static void thread_exit(void *value)
{
    struct attachment *a = value;
    uintptr_t thread = a->thread;

    if (!glet_go_m_is_bound()) {
        glet_tls_slot_store(NULL);
        if (a->later) {
            glet_onem_thread(0);
            glet_coro_thread_end();
            pthread_mutex_lock(&mu);
            a->next = ended;
            ended = a;
            __atomic_add_fetch(&glet_go_threads_ended, 1, __ATOMIC_RELEASE);
            pthread_mutex_unlock(&mu);
            return;
        }
    }
    free(a);
    glet_go_m_lock();
    greenletThreadExit(thread);
    glet_go_m_unlock();
}

uintptr_t glet_go_thread_ended(void)
{
    uintptr_t thread = 0;
    pthread_mutex_lock(&mu);
    struct attachment *a = ended;
    if (a != NULL) {
        ended = a->next;
        __atomic_sub_fetch(&glet_go_threads_ended, 1, __ATOMIC_RELAXED);
        thread = a->thread;
    }
    pthread_mutex_unlock(&mu);
    free(a);
    return thread;
}

/* Makes the key at the first call: 0 or an errno. A key that was refused may be had later. */
static int exit_key(pthread_key_t *out)
{
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

int glet_go_thread_attach(uintptr_t thread, int later)
{
    struct attachment *a = glet_fault(GLET_FAULT_MALLOC) ? NULL : malloc(sizeof *a);
    if (a == NULL)
        return GLET_ENOMEM;
    *a = (struct attachment){.thread = thread, .later = later};
    pthread_key_t key;
    int e = exit_key(&key);
    if (e == 0)
        e = glet_fault(GLET_FAULT_KEY) ? errno : pthread_setspecific(key, a);
    if (e != 0) {
        free(a);
        errno = e;
        return GLET_EKEY;
    }
    return GLET_OK;
}
