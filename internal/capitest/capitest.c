//go:build cgo && linux

/*
 * capitest.c - a C program's view of greenlet.h: no Go in any body here.
 */
#include "capitest.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define TEXT(x) TEXT_(x)
#define TEXT_(x) #x
#define WANT(x) do { if (!(x)) return __FILE__ ":" TEXT(__LINE__) ": " #x; } while (0)
#define GET(code, call) do { int got_ = (call); if (got_ != (code)) { \
    snprintf(trouble, sizeof trouble, "%s:%d: %s is %d: %s", __FILE__, __LINE__, #call, got_, greenlet_message()); \
    return trouble; } } while (0)
#define OK(call) GET(GREENLET_OK, call)

static char trouble[1024];

static int manual(void *arg, void *value, void **result)
{
    (void)arg;
    greenlet *parent;
    int e = greenlet_parent(greenlet_self(), &parent);
    if (e == GREENLET_OK)
        e = greenlet_switch(parent, "half way", &value);
    greenlet_free(parent);
    *result = value;
    return e;
}

const char *capitest_manual(void)
{
    greenlet *g;
    void *v;
    OK(greenlet_new(&g, manual, NULL, NULL, 0));
    WANT(greenlet_state(g) == GREENLET_PENDING && !greenlet_is_started(g) && !greenlet_is_active(g));
    OK(greenlet_switch(g, NULL, &v));
    WANT(strcmp(v, "half way") == 0);
    WANT(greenlet_state(g) == GREENLET_SUSPENDED && greenlet_is_started(g) && greenlet_is_active(g));
    OK(greenlet_switch(g, "the end", &v));
    WANT(strcmp(v, "the end") == 0);
    WANT(greenlet_state(g) == GREENLET_DEAD && greenlet_is_started(g) && !greenlet_is_active(g));
    OK(greenlet_free(g));
    return NULL;
}

/* Sends everything back, until it is thrown at, deep in the stack. */
static int echo(int depth, greenlet *to, void *value)
{
    volatile char frame[512];
    frame[0] = (char)depth;
    int e = 0;
    if (depth > 0)
        e = echo(depth - 1, to, value);
    else
        while (e == GREENLET_OK)
            e = greenlet_switch(to, value, &value);
    return frame[0] == (char)depth ? e : 99;
}

int capitest_echo(void *arg, void *value, void **result)
{
    (void)arg, (void)result;
    greenlet *to;
    int e = greenlet_parent(greenlet_self(), &to);
    if (e == GREENLET_OK)
        e = echo(20, to, value);
    greenlet_free(to);
    return e;
}

/* Starts the greenlet that arg refers to, and passes on what comes of it. */
int capitest_pass_on(void *arg, void *value, void **result)
{
    return greenlet_switch(arg, value, result);
}

static int returns;

/* The value is a Go function, for a greenlet that is started at once. */
int capitest_start(void *arg, void *value, void **result)
{
    (void)arg;
    greenlet *g;
    int e = greenlet_new_go(&g, value, NULL, 0);
    if (e != GREENLET_OK)
        return e;
    e = greenlet_switch(g, (void *)7, result);
    returns++;
    greenlet_free(g);
    return e;
}

/* Waits to be killed, and has an error of Go's then. */
static int dies_badly(void *arg, void *value, void **result)
{
    (void)value, (void)result;
    (void)greenlet_switch(arg, NULL, NULL);
    return -12345;
}

/* As capitest_start, and then kills another one that dies badly. */
int capitest_cleans_up(void *arg, void *value, void **result)
{
    greenlet *self, *other;
    int e = greenlet_current(&self);
    if (e == GREENLET_OK)
        e = greenlet_new(&other, dies_badly, self, NULL, 0);
    if (e == GREENLET_OK)
        e = greenlet_switch(other, NULL, NULL);
    if (e != GREENLET_OK)
        return 1;
    e = capitest_start(arg, value, result);
    if (greenlet_kill(other) != GREENLET_EGO)
        e = 2;
    greenlet_free(other);
    greenlet_free(self);
    return e;
}

int capitest_returns(void) { return returns; }

struct start {
    void *func;
    char *message;
    int code;
};

static void *start_thread(void *arg)
{
    struct start *s = arg;
    void *result;
    s->code = capitest_start(NULL, s->func, &result);
    snprintf(s->message, 256, "%s", greenlet_message());
    return NULL;
}

int capitest_start_thread(void *func, char message[256])
{
    struct start s = {func, message, 1};
    pthread_t thread;
    if (pthread_create(&thread, NULL, start_thread, &s) != 0 || pthread_join(thread, NULL) != 0)
        return 2;
    return s.code;
}

static void *current_thread(void *code)
{
    greenlet *g;
    *(int *)code = greenlet_current(&g);
    if (*(int *)code == GREENLET_OK)
        *(int *)code = greenlet_free(g);
    return NULL;
}

int capitest_current_thread(void)
{
    pthread_t thread;
    int code;
    if (pthread_create(&thread, NULL, current_thread, &code) != 0 || pthread_join(thread, NULL) != 0)
        return 2;
    return code;
}

/* Sends its value twice; the first time is refused. */
int capitest_refused(void *arg, void *value, void **result)
{
    (void)arg, (void)result;
    greenlet *to;
    int e = greenlet_parent(greenlet_self(), &to);
    if (e == GREENLET_OK)
        e = greenlet_enter_section();
    if (e == GREENLET_OK && greenlet_switch(to, value, NULL) != GREENLET_ESECTION)
        e = 1;
    if (e == GREENLET_OK)
        e = greenlet_leave_section();
    if (e == GREENLET_OK)
        e = greenlet_switch(to, value, NULL);
    if (e == GREENLET_OK && greenlet_free_value(value) != GREENLET_EFREED)
        e = 2; /* it was used up */
    greenlet_free(to);
    return e;
}

static int fails(void *arg, void *value, void **result)
{
    (void)value, (void)result;
    return (int)(intptr_t)arg;
}

static int stays(void *arg, void *value, void **result)
{
    (void)arg, (void)value;
    greenlet *parent;
    greenlet_parent(greenlet_self(), &parent);
    int e = greenlet_switch(parent, NULL, NULL); /* thrown at, it goes on */
    if (e == GREENLET_EXIT)
        e = greenlet_switch(parent, NULL, NULL);
    greenlet_free(parent);
    *result = (void *)1;
    return GREENLET_OK;
}

const char *capitest_rules(void)
{
    greenlet *g, *child, *root, *p;
    void *v;

    OK(greenlet_current(&root));
    WANT(greenlet_is_root(root) == 1 && greenlet_self() == NULL);
    OK(greenlet_parent(root, &p));
    WANT(p == NULL);

    /* Values, small numbers too, and references. */
    OK(greenlet_new(&g, capitest_echo, NULL, root, 128 << 10));
    for (intptr_t i = 0; i < 10000; i += 7) {
        OK(greenlet_switch(g, (void *)i, &v));
        WANT(v == (void *)i);
    }
    OK(greenlet_switch(g, root, &v));
    WANT(v == root && greenlet_is_root(root) == 1);
    OK(greenlet_switch(g, &v, NULL));

    /* Codes come back as they went, from any depth. */
    GET(42, greenlet_throw(g, 42, &v));
    WANT(greenlet_state(g) == GREENLET_DEAD);
    /* A dead one stands for its parent: us. */
    OK(greenlet_switch(g, "to us", &v));
    WANT(strcmp(v, "to us") == 0);
    OK(greenlet_throw(g, GREENLET_EXIT, &v)); /* an expected end is a value: NULL */
    WANT(v == NULL);
    GET(3, greenlet_throw(g, 3, &v));
    OK(greenlet_free(g));

    /* Never started, thrown at. */
    OK(greenlet_new(&g, capitest_echo, NULL, NULL, 0));
    GET(5, greenlet_throw(g, 5, NULL));
    WANT(greenlet_state(g) == GREENLET_DEAD);
    OK(greenlet_free(g));

    /* The ends of bodies. */
    OK(greenlet_new(&g, fails, (void *)17, NULL, 0));
    GET(17, greenlet_switch(g, NULL, &v));
    OK(greenlet_free(g));
    OK(greenlet_new(&g, fails, (void *)(intptr_t)GREENLET_EXIT, NULL, 0));
    v = g;
    OK(greenlet_switch(g, NULL, &v));
    WANT(v == NULL);
    OK(greenlet_free(g));
    OK(greenlet_new(&g, fails, (void *)-12345, NULL, 0));
    GET(GREENLET_EGO, greenlet_switch(g, NULL, &v));
    WANT(strstr(greenlet_message(), "-12345") != NULL);
    OK(greenlet_free(g));

    /* Through a parent that passes on. */
    OK(greenlet_new(&child, fails, (void *)23, NULL, 0));
    OK(greenlet_new(&g, capitest_pass_on, child, NULL, 0));
    OK(greenlet_set_parent(child, g));
    GET(23, greenlet_switch(g, NULL, &v));
    OK(greenlet_free(child));
    OK(greenlet_free(g));

    /* Kill. */
    OK(greenlet_new(&g, capitest_echo, NULL, NULL, 0));
    OK(greenlet_switch(g, NULL, &v));
    OK(greenlet_kill(g));
    OK(greenlet_kill(g));
    WANT(greenlet_state(g) == GREENLET_DEAD);
    OK(greenlet_free(g));
    OK(greenlet_new(&g, stays, NULL, NULL, 0));
    OK(greenlet_switch(g, NULL, &v));
    GET(GREENLET_EGO, greenlet_kill(g));
    WANT(greenlet_is_active(g) == 1);
    OK(greenlet_switch(g, NULL, &v));
    WANT(v == (void *)1);
    OK(greenlet_free(g));
    OK(greenlet_free(root));
    return NULL;
}

/* Answers a kill by throwing at who kills it. */
static int resists(void *arg, void *value, void **result)
{
    (void)arg, (void)value, (void)result;
    greenlet *parent;
    greenlet_parent(greenlet_self(), &parent);
    int e = greenlet_switch(parent, NULL, NULL);
    if (e == GREENLET_EXIT)
        e = greenlet_throw(parent, 5, NULL);
    greenlet_free(parent);
    return e;
}

static int frees_itself(void *arg, void *value, void **result)
{
    (void)arg, (void)value;
    *result = (void *)(intptr_t)greenlet_free(greenlet_self());
    return greenlet_self() == NULL;
}

/* arg is its root. Holds nothing itself, which would be lost with it. */
static int waits(void *arg, void *value, void **result)
{
    (void)value, (void)result;
    return greenlet_switch(arg, NULL, NULL);
}

/* Leaves a greenlet behind, suspended. */
static void *leaves(void *out)
{
    greenlet *root, **g = out;
    if (greenlet_current(&root) == GREENLET_OK && greenlet_new(g, waits, root, NULL, 0) == GREENLET_OK &&
        greenlet_switch(*g, NULL, NULL) == GREENLET_OK && greenlet_free(root) == GREENLET_OK)
        return NULL;
    return out;
}

static void *elsewhere(void *g)
{
    return (void *)(intptr_t)greenlet_switch(g, NULL, NULL);
}

const char *capitest_misuse(void)
{
    greenlet *g, *root, *p;
    void *v = NULL;
    pthread_t thread;
    char here;

    OK(greenlet_current(&root));
    OK(greenlet_new(&g, capitest_echo, NULL, NULL, 0));
    GET(GREENLET_ENULL, greenlet_new(NULL, capitest_echo, NULL, NULL, 0));
    GET(GREENLET_ENULL, greenlet_new(&p, NULL, NULL, NULL, 0));
    GET(GREENLET_ENULL, greenlet_new_go(&p, NULL, NULL, 0));
    GET(GREENLET_EFREED, greenlet_new_go(&p, &here, NULL, 0));
    GET(GREENLET_EFREED, greenlet_new(&p, capitest_echo, NULL, (greenlet *)&here, 0));
    GET(GREENLET_ENULL, greenlet_switch(NULL, NULL, &v));
    GET(GREENLET_ENULL, greenlet_throw(NULL, 1, &v));
    GET(GREENLET_ENULL, greenlet_stacks(NULL, NULL));
    GET(GREENLET_ENULL, greenlet_kill(NULL));
    GET(GREENLET_ENULL, greenlet_free(NULL));
    GET(GREENLET_ENULL, greenlet_free_value(NULL));
    GET(GREENLET_ENULL, greenlet_current(NULL));
    GET(GREENLET_ENULL, greenlet_parent(g, NULL));
    GET(GREENLET_ENULL, greenlet_parent(NULL, &p));
    GET(GREENLET_ENULL, greenlet_set_parent(g, NULL));
    GET(GREENLET_ENULL, greenlet_set_parent(NULL, g));
    GET(GREENLET_ENULL, greenlet_state(NULL));
    GET(GREENLET_ECODE, greenlet_throw(g, 0, &v));
    GET(GREENLET_ECODE, greenlet_throw(g, GREENLET_ENULL, &v));
    GET(GREENLET_ECYCLE, greenlet_set_parent(g, g));
    GET(GREENLET_EROOT, greenlet_set_parent(root, g));
    GET(GREENLET_EROOT, greenlet_kill(root));
    GET(GREENLET_EFREED, greenlet_switch((greenlet *)&here, NULL, &v));
    GET(GREENLET_EFREED, greenlet_free((greenlet *)&here));
    GET(GREENLET_EFREED, greenlet_free_value(&here));
    GET(GREENLET_EFREED, greenlet_free_value(g)); /* a reference is no value */
    WANT(greenlet_state(g) == GREENLET_PENDING);

    /* Another thread's. */
    WANT(pthread_create(&thread, NULL, elsewhere, g) == 0);
    WANT(pthread_join(thread, &v) == 0);
    WANT((intptr_t)v == GREENLET_ETHREAD);
    OK(greenlet_switch(g, NULL, &v));
    WANT(pthread_create(&thread, NULL, elsewhere, g) == 0);
    WANT(pthread_join(thread, &v) == 0);
    WANT((intptr_t)v == GREENLET_ETHREAD);
    WANT(greenlet_state(g) == GREENLET_SUSPENDED);

    OK(greenlet_kill(g));
    OK(greenlet_free(g));
    GET(GREENLET_EFREED, greenlet_free(g));
    GET(GREENLET_EFREED, greenlet_switch(g, NULL, &v));
    GET(GREENLET_EFREED, greenlet_state(g));
    WANT(strstr(greenlet_message(), "stale") != NULL);

    /* A thread's that is gone. */
    WANT(pthread_create(&thread, NULL, leaves, &g) == 0);
    WANT(pthread_join(thread, &v) == 0);
    WANT(v == NULL);
    WANT(greenlet_state(g) == GREENLET_DEAD);
    GET(GREENLET_EGONE, greenlet_switch(g, NULL, &v));
    GET(GREENLET_EGONE, greenlet_throw(g, 4, &v));
    OK(greenlet_kill(g)); /* as any that is dead */
    OK(greenlet_free(g));

    /* The reference that need not be freed may not be. */
    OK(greenlet_new(&g, frees_itself, NULL, NULL, 0));
    OK(greenlet_switch(g, NULL, &v));
    WANT((intptr_t)v == GREENLET_EFREED);
    WANT(strstr(greenlet_message(), "own reference") != NULL);
    OK(greenlet_free(g));

    OK(greenlet_new(&g, resists, NULL, NULL, 0));
    OK(greenlet_switch(g, NULL, &v));
    GET(GREENLET_EGO, greenlet_kill(g)); /* not 5: it lives on */
    WANT(strstr(greenlet_message(), "lives") != NULL);
    WANT(greenlet_state(g) == GREENLET_SUSPENDED);
    OK(greenlet_kill(g));
    OK(greenlet_free(g));

    OK(greenlet_new(&g, capitest_echo, NULL, NULL, (size_t)-1));
    GET(GREENLET_EGO, greenlet_switch(g, NULL, &v)); /* no such stack */
    WANT(strstr(greenlet_message(), "stack") != NULL);
    WANT(greenlet_state(g) == GREENLET_PENDING);
    OK(greenlet_free(g));
    OK(greenlet_free(root));

    for (int code = -20; code < 3; code++)
        WANT(greenlet_text(code) != NULL);
    WANT(strstr(greenlet_text(-5), "not a code") != NULL);
    return NULL;
}

static int ends_inside(void *arg, void *value, void **result)
{
    (void)value;
    *result = "a result";
    int e = greenlet_enter_section();
    return e == GREENLET_OK ? (int)(intptr_t)arg : e;
}

/* The body's arg is another greenlet, which waits. Its result is trouble, or NULL. */
static const char *inside(greenlet *other, greenlet *parent)
{
    void *v;
    OK(greenlet_enter_section());
    GET(GREENLET_ESECTION, greenlet_switch(parent, NULL, &v));
    GET(GREENLET_ESECTION, greenlet_switch(other, NULL, &v));
    GET(GREENLET_ESECTION, greenlet_throw(other, 5, &v));
    GET(GREENLET_ESECTION, greenlet_kill(other));
    WANT(strstr(greenlet_message(), "section") != NULL);
    OK(greenlet_enter_section());
    OK(greenlet_leave_section());
    GET(GREENLET_ESECTION, greenlet_switch(other, NULL, &v));
    OK(greenlet_leave_section());
    GET(GREENLET_ESECTION, greenlet_leave_section());
    OK(greenlet_switch(other, "back", &v));
    WANT(strcmp(v, "back") == 0);
    return NULL;
}

static int in_sections(void *arg, void *value, void **result)
{
    greenlet *self, *parent;
    (void)value;
    if (greenlet_current(&self) != GREENLET_OK || greenlet_set_parent(arg, self) != GREENLET_OK ||
        greenlet_switch(arg, NULL, NULL) != GREENLET_OK || greenlet_parent(self, &parent) != GREENLET_OK)
        return 1;
    *result = (void *)inside(arg, parent);
    greenlet_free(parent);
    greenlet_free(self);
    return GREENLET_OK;
}

const char *capitest_sections(void)
{
    greenlet *g, *other;
    void *v;
    OK(greenlet_new(&other, capitest_echo, NULL, NULL, 0));
    OK(greenlet_new(&g, in_sections, other, NULL, 0));
    OK(greenlet_switch(g, NULL, &v));
    if (v != NULL)
        return v;
    OK(greenlet_kill(other));
    OK(greenlet_free(other));
    OK(greenlet_free(g));

    OK(greenlet_new(&g, ends_inside, NULL, NULL, 0));
    GET(GREENLET_ESECTION, greenlet_switch(g, NULL, &v));
    WANT(strstr(greenlet_message(), "ended inside a section") != NULL);
    WANT(greenlet_state(g) == GREENLET_DEAD);
    OK(greenlet_free(g));
    OK(greenlet_new(&g, ends_inside, (void *)5, NULL, 0));
    GET(GREENLET_ESECTION, greenlet_switch(g, NULL, &v)); /* not 5 */
    OK(greenlet_free(g));

    /* And in the root, with or without greenlets. */
    OK(greenlet_enter_section());
    OK(greenlet_new(&g, capitest_echo, NULL, NULL, 0));
    GET(GREENLET_ESECTION, greenlet_switch(g, NULL, &v));
    WANT(greenlet_state(g) == GREENLET_PENDING);
    OK(greenlet_leave_section());
    OK(greenlet_switch(g, NULL, &v));
    OK(greenlet_kill(g));
    OK(greenlet_free(g));
    return NULL;
}

void capitest_section(uintptr_t f)
{
    if (greenlet_enter_section() == GREENLET_OK) {
        capitestCall(f);
        (void)greenlet_leave_section();
    }
}

static void *own_root(void *arg)
{
    (void)arg;
    const char *e = capitest_manual();
    if (e == NULL)
        e = capitest_rules();
    if (e == NULL)
        e = capitest_sections();
    greenlet *g;
    if (e == NULL && (leaves(&g) != NULL || greenlet_free(g) != GREENLET_OK))
        e = "a greenlet to be left";
    return (void *)e;
}

int capitest_code(void *arg, void *value, void **result)
{
    (void)value;
    (void)result;
    return (int)(intptr_t)arg;
}

static greenlet *named;

int capitest_named(void *arg, void *value, void **result)
{
    __atomic_store_n(&named, greenlet_self(), __ATOMIC_RELEASE);
    return capitest_echo(arg, value, result);
}

int capitest_ask(void)
{
    greenlet *g = __atomic_load_n(&named, __ATOMIC_ACQUIRE);
    return g == NULL ? GREENLET_PENDING : greenlet_state(g);
}

int capitest_adopt(void)
{
    greenlet *g;
    int e = greenlet_new(&g, capitest_echo, NULL, named, 0);
    return e != GREENLET_OK ? e : greenlet_free(g);
}

/* Threads that C made are roots of their own. */
const char *capitest_thread(void)
{
    for (int i = 0; i < 5; i++) {
        pthread_t thread;
        void *e;
        WANT(pthread_create(&thread, NULL, own_root, NULL) == 0);
        WANT(pthread_join(thread, &e) == 0);
        if (e != NULL)
            return e;
    }
    return NULL;
}

/* Whether just these signals of all that there are for programs are blocked. */
static int blocked(const int *want, int n)
{
    sigset_t mask;
    if (pthread_sigmask(SIG_SETMASK, NULL, &mask) != 0)
        return 0;
    for (int sig = 1; sig < 32; sig++) {
        int is = sigismember(&mask, sig);
        for (int i = 0; i < n; i++)
            is -= want[i] == sig;
        if (is != 0)
            return 0;
    }
    return 1;
}

static const char *block(const int *signals, int n)
{
    sigset_t mask;
    sigemptyset(&mask);
    for (int i = 0; i < n; i++)
        sigaddset(&mask, signals[i]);
    WANT(pthread_sigmask(SIG_SETMASK, &mask, NULL) == 0);
    return NULL;
}

/*
 * Greenlets that start and end, more than are kept for later, leave the mask alone. SIGTERM
 * is one that Go wants to have.
 */
static void *masks(void *arg)
{
    (void)arg;
    enum { MANY = 200 };
    static const int one[] = {SIGUSR1}, some[] = {SIGUSR1, SIGUSR2, SIGTERM}, other[] = {SIGHUP};
    greenlet *all[MANY];
    const char *e = NULL;
    void *v;

#define WITH(signals) (signals), (int)(sizeof(signals) / sizeof *(signals))
#define CHECK(x) if (e == NULL && !(x)) e = __FILE__ ":" TEXT(__LINE__) ": " #x
    for (int i = 0; i < MANY; i++) {
        if (i == 0 && e == NULL)
            e = block(WITH(one));
        if (i == MANY / 2 && e == NULL)
            e = block(WITH(some)); /* the thread has been in Go by now */
        CHECK(greenlet_new(&all[i], capitest_echo, NULL, NULL, 0) == GREENLET_OK);
        CHECK(greenlet_switch(all[i], NULL, &v) == GREENLET_OK);
        CHECK(i < MANY / 2 ? blocked(WITH(one)) : blocked(WITH(some)));
    }
    if (e == NULL)
        e = block(WITH(other));
    for (int i = 0; i < MANY && e == NULL; i++) {
        CHECK(greenlet_kill(all[i]) == GREENLET_OK && greenlet_free(all[i]) == GREENLET_OK);
        CHECK(blocked(WITH(other)));
    }
    return (void *)e;
}

const char *capitest_mask(void)
{
    pthread_t thread;
    void *e;
    WANT(pthread_create(&thread, NULL, masks, NULL) == 0);
    WANT(pthread_join(thread, &e) == 0);
    return e;
}

#define KEEP(x) __asm__ volatile("" : "+r"(x)) /* a register, or where the compiler puts it meanwhile */

void capitest_hold(uintptr_t secret, uintptr_t f)
{
    uintptr_t held = ~secret;
    KEEP(held);
    capitestCall(f);
    KEEP(held);
}

int capitest_holds(void *secret, void *value, void **result)
{
    uintptr_t held = ~(uintptr_t)secret;
    (void)result;
    greenlet *to;
    int e = greenlet_parent(greenlet_self(), &to);
    KEEP(held);
    if (e == GREENLET_OK)
        e = greenlet_switch(to, value, NULL);
    KEEP(held);
    greenlet_free(to);
    return e;
}

struct find {
    uintptr_t secret;
    int stacks;
};

__attribute__((no_sanitize_address)) static void find(void *arg, void *sp, void *end)
{
    struct find *f = arg;
    for (uintptr_t *p = (uintptr_t *)((uintptr_t)sp & ~(uintptr_t)7); p < (uintptr_t *)end; p++)
        if (~*p == f->secret) {
            f->stacks++;
            return;
        }
}

int capitest_find(uintptr_t secret)
{
    struct find f = {secret, 0};
    int e = greenlet_stacks(find, &f);
    return e != GREENLET_OK ? e : f.stacks;
}
