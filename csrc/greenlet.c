//go:build cgo && linux

/*
 * greenlet.c - see greenlet.h. What needs no Go, and the way to Go: the rules are
 * there, once.
 */
#include "greenlet.h"
#include "fault.h"
#include "go_calls.h"
#include "go_m.h"
#include "greenlet_internal.h"

#include <pthread.h>
#include <stdlib.h>

static int go_is_ready; /* see glet_greenlet_ready; C threads may call while Go starts */

/*
 * A text of ours, or the thread's own room for one. The room is not thread-local: a
 * program that loads Go as a library has few bytes left for such variables.
 */
static __thread const char *message;
enum { ROOM = 512 };

void glet_greenlet_ready(void) { __atomic_store_n(&go_is_ready, 1, __ATOMIC_RELEASE); }

static void room_free(void *room)
{
    message = NULL;
    free(room);
}

/* The thread's room, which ends with it; NULL: there is none to be had. */
static char *room_of_thread(void)
{
    static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
    static pthread_key_t key;
    static int made;

    pthread_mutex_lock(&mu);
    if (!made && !glet_fault(GLET_FAULT_KEY))
        made = pthread_key_create(&key, room_free) == 0;
    int have_key = made;
    pthread_mutex_unlock(&mu);
    if (!have_key)
        return NULL;
    char *room = pthread_getspecific(key);
    if (room == NULL && !glet_fault(GLET_FAULT_MALLOC) && (room = malloc(ROOM)) != NULL &&
        pthread_setspecific(key, room) != 0) {
        free(room);
        room = NULL;
    }
    return room;
}

char *glet_message(int code, size_t *size)
{
    char *room = room_of_thread();
    *size = ROOM;
    message = room != NULL ? room : greenlet_text(code);
    return room;
}

/* For a refusal that Go is not asked about. */
static int refuse(int code)
{
    message = greenlet_text(code);
    return code;
}

const char *greenlet_text(int code)
{
    switch (code) {
    case GREENLET_OK: return "no error";
    case GREENLET_EXIT: return "an expected end";
    case GREENLET_EGO: return "an error of Go";
    case GREENLET_EPANIC: return "a panic of Go";
    case GREENLET_EGOEXIT: return "a runtime.Goexit of Go";
    case GREENLET_ENULL: return "an argument is NULL that must not be";
    case GREENLET_EFREED: return "not a reference, or one that was freed";
    case GREENLET_ETHREAD: return "the greenlet belongs to another thread";
    case GREENLET_EGONE: return "the greenlet's thread, or its scope, has ended";
    case GREENLET_ECYCLE: return "a greenlet would be its own ancestor";
    case GREENLET_EROOT: return "this cannot be done to a root";
    case GREENLET_ENORUN: return "the greenlet has no body";
    case GREENLET_ECODE: return "only GREENLET_EXIT and codes from 1 on can be thrown";
    case GREENLET_ESECTION: return "a section that must not be left, or none to be left";
    case GREENLET_ESTACK: return "the C library does not know the thread's stack";
    case GREENLET_ENOGO: return "there is no Go in this program, or its packages are not initialised yet";
    }
    return code > 0 ? "a code of the program's own" : "not a code of this library";
}

const char *greenlet_message(void) { return message != NULL ? message : ""; }

/* Is there no Go in this program, not even soon? */
static int without_go(void)
{
    if (__atomic_load_n(&go_is_ready, __ATOMIC_ACQUIRE))
        return 0;
    (void)glet_go_m_ready(); /* waits; what it says comes up again in Go */
    return !__atomic_load_n(&go_is_ready, __ATOMIC_ACQUIRE);
}

#define READY if (without_go()) return refuse(GREENLET_ENOGO)
#define NEED(p) if ((p) == NULL) return refuse(GREENLET_ENULL)

int greenlet_new(greenlet **out, greenlet_body body, void *arg, greenlet *parent, size_t stack_size)
{
    READY;
    NEED(out);
    NEED(body);
    return greenletMake(out, (uintptr_t)body, (uintptr_t)arg, parent, stack_size);
}

int greenlet_new_go(greenlet **out, void *func, greenlet *parent, size_t stack_size)
{
    READY;
    NEED(out);
    NEED(func);
    return greenletMakeGo(out, (uintptr_t)func, parent, stack_size);
}

int greenlet_free(greenlet *g)
{
    READY;
    NEED(g);
    return greenletFree(g);
}

int greenlet_free_value(void *value)
{
    READY;
    NEED(value);
    return greenletFreeValue((uintptr_t)value);
}

int greenlet_current(greenlet **out)
{
    READY;
    NEED(out);
    return greenletCurrent(out);
}

greenlet *greenlet_self(void) { return without_go() ? NULL : greenletSelf(); }

static int pass(greenlet *g, int code, void *value, void **result)
{
    uintptr_t r = 0;
    int e = greenletPass(g, code, (uintptr_t)value, result == NULL ? NULL : &r);
    if (e == GREENLET_OK && result != NULL)
        *result = (void *)r;
    return e;
}

int greenlet_switch(greenlet *g, void *value, void **result)
{
    READY;
    NEED(g);
    return pass(g, 0, value, result);
}

int greenlet_throw(greenlet *g, int code, void **result)
{
    READY;
    NEED(g);
    if (code <= 0 && code != GREENLET_EXIT)
        return refuse(GREENLET_ECODE);
    return pass(g, code, NULL, result);
}

int greenlet_kill(greenlet *g)
{
    READY;
    NEED(g);
    return greenletKill(g);
}

int greenlet_parent(greenlet *g, greenlet **out)
{
    READY;
    NEED(g);
    NEED(out);
    return greenletParent(g, out);
}

int greenlet_set_parent(greenlet *g, greenlet *parent)
{
    READY;
    NEED(g);
    NEED(parent);
    return greenletSetParent(g, parent);
}

static int section(int enter)
{
    READY;
    return greenletSection(enter);
}

int greenlet_enter_section(void) { return section(1); }
int greenlet_leave_section(void) { return section(0); }

int greenlet_carry(void *word, size_t size)
{
    READY;
    NEED(word);
    if (size == 0 || size > 1 << 20)
        return refuse(GREENLET_ENULL);
    return greenletCarry((uintptr_t)word, size);
}

static int ask(greenlet *g, int what)
{
    READY;
    NEED(g);
    return greenletAsk(g, what);
}

int greenlet_state(greenlet *g) { return ask(g, GLET_ASK_STATE); }
int greenlet_is_root(greenlet *g) { return ask(g, GLET_ASK_ROOT); }
int greenlet_is_started(greenlet *g) { return ask(g, GLET_ASK_STARTED); }
int greenlet_is_active(greenlet *g) { return ask(g, GLET_ASK_ACTIVE); }
