//go:build cgo && linux

/*
 * go.c - see go.h.  What is leaned on, with the functions to read again at the
 * next Go release (all in runtime/ unless said otherwise). No field of the runtime's
 * structs is among it:
 *
 *   - needm, needAndBindM, cgoBindM, dropm (proc.go), cgocallback (asm_*.s): a
 *     nil g means an unknown thread; after the outermost callback g stays the
 *     M's g0; crosscall2(NULL, g0, 0, 0) is dropm.
 *   - callbackUpdateSystemStack (cgocall.go): asks _cgo_getstackbound on an
 *     extra M and takes bounds that contain SP as accurate.
 *   - cgo/gcc_libinit.c: x_cgo_bindm stores g0 under a pthread key, whose
 *     destructor calls dropm for the last one stored.
 */
#define _GNU_SOURCE
#include "go.h"
#include "fault.h"
#include "fiber_onem.h"
#include "overflow.h"
#include "word.h"

#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

extern void crosscall2(void (*fn)(void *), void *arg, int n, size_t ctxt);

static glet_go_calls calls;

static __thread struct {
    void *words[2];       /* Go's, see glet_go_local_offset */
    glet_coro *retirer;   /* who waits in glet_go_retire */
    const sigset_t *mask; /* of who starts a worker, until that has its M */
    int bound;            /* runtime/cgo's own bindm was called on this thread */
    int elsewhere;        /* see glet_go_attach */
} local __attribute__((tls_model("initial-exec")));

void glet_go_init(const glet_go_calls *c) { calls = *c; }

#define FIELD(type, base, offset) ((type *)((char *)(base) + (offset)))

/*
 * Exported by callbacks.go, and not there where the C core is used without Go. In a C
 * program that has Go as a library, the runtime may still be starting: every call of
 * Go waits for that (cgocallbackg1, cgocall.go).
 */
extern int greenletReady(void) __attribute__((weak));

int glet_go_ready(void)
{
    int (*ready)(void) = greenletReady;
    return ready == NULL ? GLET_EWORD : ready();
}

/* Are there Go frames on the goroutine of an M that does not run? */
static int has_frames(void *g0)
{
    void *word = glet_word_load();
    glet_word_store(g0);
    int yes = calls.has_frames();
    glet_word_store(word);
    return yes;
}

int glet_go_drop(void *g0)
{
    if (has_frames(g0))
        return GLET_EFRAMES;

    sigset_t all, mask;
    sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &mask);
    /*
     * dropm runs Go code on the present stack, which the g0 must take for its own: the
     * fiber's may be gone. This beginning of struct g is known to runtime/cgo (libcgo.h)
     * and to the linker.
     */
    struct { uintptr_t lo, hi, guard[2]; } *g = g0;
    uintptr_t sp = (uintptr_t)__builtin_frame_address(0);
    g->lo = sp - ((size_t)16 << 10);
    g->hi = sp + 1024;
    g->guard[0] = g->guard[1] = g->lo + 2048;

    void *word = glet_word_load();
    glet_word_store(g0);
    crosscall2(NULL, g0, 0, 0);
    glet_word_store(word);
    (void)pthread_sigmask(SIG_SETMASK, &mask, NULL);
    return GLET_OK;
}

/*
 * Is the caller on the stack of a coroutine, or of a fiber in one? Then its bounds,
 * too: zeros, which make the runtime guess, where they are not known.
 */
static int on_coroutine(uintptr_t b[2])
{
    void *lo, *hi;
    uintptr_t sp = (uintptr_t)__builtin_frame_address(0);
    glet_coro *c = glet_coro_current();
    const struct glet_fiber *f = glet_coro_fibers(c)->running;

    if (f != NULL) {
        lo = f->lo;
        hi = f->hi;
    } else {
        glet_coro_bounds(c, &lo, &hi);
    }
    b[0] = (uintptr_t)lo;
    b[1] = (uintptr_t)hi;
    if (b[0] != 0 && sp > b[0] && sp < b[1])
        return 1;
    b[0] = b[1] = 0;
    return f != NULL;
}

/*
 * The runtime's guess for an unknown stack is 32 KiB below SP, after asking for
 * the pthread's bounds at every callback: microseconds, and tens of them on the
 * first thread, where /proc/self/maps is read.  We know the bounds.
 */
static void getstackbound(uintptr_t bounds[2])
{
    if (!on_coroutine(bounds))
        ((void (*)(uintptr_t *))calls.getstackbound)(bounds);
}

/*
 * The key keeps the M that the thread itself bound: there is room for one, and
 * the destructor must not drop an M that we drop ourselves.
 */
static void bindm(void *g0)
{
    uintptr_t bounds[2];
    if (on_coroutine(bounds)) {
        /*
         * needm also lets in signals that Go wants to have (minitSignalMask). The thread's
         * own M has done so, when it was the first; what C has set after that stays.
         */
        if (local.bound && local.mask != NULL)
            (void)pthread_sigmask(SIG_SETMASK, local.mask, NULL); /* fails for another first argument only */
        local.mask = NULL;
        return;
    }
    local.bound = 1;
    ((void (*)(void *))calls.bindm)(g0);
}

void *glet_go_getstackbound(void) { return (void *)getstackbound; }
void *glet_go_bindm(void) { return (void *)bindm; }

/*
 * g as C code finds it: where Go keeps it in a register, asmcgocall leaves the
 * M's g0 there, and the register is callee-saved in C.
 */
static inline void *g_register(void)
{
    void *g = NULL;
#if defined(__aarch64__)
    __asm__ volatile("mov %0, x28" : "=r"(g));
#elif defined(__riscv)
    __asm__ volatile("mv %0, s11" : "=r"(g));
#elif defined(__powerpc64__)
    __asm__ volatile("mr %0, 30" : "=r"(g));
#elif defined(__s390x__)
    __asm__ volatile("lgr %0, %%r13" : "=r"(g));
#elif defined(__loongarch64)
    __asm__ volatile("move %0, $r22" : "=r"(g));
#elif defined(__mips64)
    __asm__ volatile("move %0, $30" : "=r"(g));
#endif
    return g;
}

struct search {
    void *g;
    int found;
    ptrdiff_t offset;
};

static int search_module(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct search *s = arg;
    if (size < offsetof(struct dl_phdr_info, dlpi_tls_data) + sizeof info->dlpi_tls_data ||
        info->dlpi_tls_data == NULL)
        return 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        if (info->dlpi_phdr[i].p_type != PT_TLS)
            continue;
        void **w = info->dlpi_tls_data;
        for (size_t n = info->dlpi_phdr[i].p_memsz / sizeof *w; n > 0; n--, w++)
            if (*w == s->g) {
                s->found++;
                s->offset = (char *)w - glet_thread_pointer();
            }
    }
    return 0;
}

int glet_go_g(void *out)
{
    *(void **)out = g_register();
    return GLET_OK;
}

int glet_go_find_word(intptr_t hint, void *g)
{
    if (hint != 0) {
        glet_word_offset = hint;
        return GLET_OK;
    }
    struct search s = {.g = g};
    if (s.g != NULL)
        dl_iterate_phdr(search_module, &s);
    if (s.found != 1)
        return GLET_EWORD;
    glet_word_offset = s.offset;
    return GLET_OK;
}

int glet_go_verify_word(void *g)
{
    void *w = glet_word_load();
    /* On amd64 there is no register to compare with; Go's side compares. */
    return w != NULL && (g == NULL || g == w) ? GLET_OK : GLET_EWORD;
}

intptr_t glet_go_word_offset(void) { return glet_word_offset; }

intptr_t glet_go_local_offset(void) { return (char *)local.words - glet_thread_pointer(); }
void *glet_go_local(int i) { return local.words[i]; }
void glet_go_local_set(int i, void *v) { local.words[i] = v; }

/*
 * Whoever is about to get an extra M holds this. Each takes one and leaves one for the next
 * (needextram in cgocallbackg, cgocall.go); without an order, many at once use them up, and
 * all spin until somebody has made more (lockextra, proc.go).
 */
static pthread_mutex_t entering = PTHREAD_MUTEX_INITIALIZER;

void glet_go_entered(void) { pthread_mutex_unlock(&entering); }

static void tell_of_exit(void *thread, int elsewhere)
{
    pthread_mutex_lock(&entering);
    calls.thread_exit((uintptr_t)thread, elsewhere);
    pthread_mutex_unlock(&entering);
}

static void *teller(void *thread)
{
    tell_of_exit(thread, 1);
    return NULL;
}

/*
 * At the end of a thread that Go made, g still is the g0 of an M that is gone (mexit,
 * proc.go), so a callback would have to come as from an unknown thread. But that M's events
 * are still in its buffers (traceThreadDestroy, traceruntime.go, writes them when allocm,
 * proc.go, walks sched.freem), and those of the M that the callback gets would be of the same
 * thread, in a buffer of their own: no tool can read such an execution trace. So another
 * thread calls Go, one that has nothing else to do. If there is none to be had, a trace that
 * cannot be read is the lesser evil.
 *
 * On a thread that C made, g is a living M's g0, or nil when its turn came first.
 */
static void thread_exit(void *thread)
{
    if (!local.bound) {
        glet_word_store(NULL);
        if (local.elsewhere) {
            pthread_t t;
            glet_one_thread(0);
            glet_coro_thread_end();
            if (pthread_create(&t, NULL, teller, thread) == 0) {
                (void)pthread_detach(t);
                return;
            }
        }
    }
    tell_of_exit(thread, 0);
}

/* Makes the key at the first call, or says why it cannot. */
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

/*
 * The running greenlet's name and number, as its String has them. It reads Go's memory
 * from a signal handler: what it reads does not move, and is held by the thread's tree.
 */
static size_t who(char *buf, size_t size)
{
    char *tree = local.words[0];
    if (tree == NULL)
        return 0;
    char *core = *FIELD(char *, *FIELD(char *, tree, calls.tree_current), calls.greenlet_core);
    struct { const char *s; size_t n; } name = {NULL, 0}, *set = *FIELD(void *, core, calls.core_name); /* a Go string */
    if (set != NULL)
        name = *set;
    if (name.n == 0) {
        name.s = "greenlet";
        name.n = strlen(name.s);
    }
    char digits[24], *at = digits + sizeof digits;
    for (uint64_t id = *FIELD(uint64_t, core, calls.core_id); id != 0; id /= 10)
        *--at = (char)('0' + id % 10);
    *--at = '/';
    size_t d = (size_t)(digits + sizeof digits - at), n = name.n < size - d ? name.n : size - d;
    memcpy(buf, name.s, n);
    memcpy(buf + n, at, d);
    return n + d;
}

int glet_go_explain_overflows(void) { return glet_explain_overflows(who); }

int glet_go_attach(uintptr_t thread, int elsewhere)
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

static glet_coro *worker_main(void *worker)
{
    sigset_t mask;
    if (pthread_sigmask(SIG_SETMASK, NULL, &mask) == 0)
        local.mask = &mask;
    pthread_mutex_lock(&entering);
    calls.enter((uintptr_t)worker); /* and glet_go_entered */

    /* Retired.  Without a pthread key the runtime has dropped the M already. */
    void *g0 = glet_word_load();
    if (g0 != NULL)
        crosscall2(NULL, g0, 0, 0);
    return local.retirer;
}

int glet_go_worker_new(glet_coro **out, size_t stack_size, uintptr_t worker)
{
    return glet_coro_new(out, stack_size, worker_main, (void *)worker);
}

int glet_go_retire(glet_coro *worker)
{
    sigset_t mask; /* dropm sets the one that the worker was bound with */
    (void)pthread_sigmask(SIG_SETMASK, NULL, &mask);
    local.retirer = glet_coro_current();
    int code = glet_coro_switch(worker);
    (void)pthread_sigmask(SIG_SETMASK, &mask, NULL);
    return code != GLET_OK ? code : glet_coro_free(worker);
}
