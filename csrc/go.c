/*
 * go.c - see go.h.  What is leaned on, with the functions to read again at the
 * next Go release (all in runtime/ unless said otherwise):
 *
 *   - needm, needAndBindM, cgoBindM, dropm (proc.go), cgocallback (asm_*.s): a
 *     nil g means an unknown thread; after the outermost callback g stays the
 *     M's g0; crosscall2(NULL, g0, 0, 0) is dropm.
 *   - callbackUpdateSystemStack (cgocall.go): asks _cgo_getstackbound on an
 *     extra M and takes bounds that contain SP as accurate.
 *   - What internal/gort/layout.go says of the fields that hand_over touches.
 *   - cgo/gcc_libinit.c: x_cgo_bindm stores g0 under a pthread key, whose
 *     destructor calls dropm for the last one stored.
 */
#define _GNU_SOURCE
#include "go.h"
#include "fault.h"
#include "overflow.h"
#include "word.h"

#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

extern void _cgo_release_context(size_t ctxt) __attribute__((weak)); /* not there without Go */
extern void crosscall2(void (*fn)(void *), void *arg, int n, size_t ctxt);

static glet_go_calls calls;

static __thread struct {
    void *words[2];     /* Go's, see glet_go_local_offset */
    glet_coro *retirer; /* who waits in glet_go_retire */
    void *giver;        /* g0 of who starts a fresh worker, to hand its P over */
    int bound;          /* runtime/cgo's own bindm was called on this thread */
} local __attribute__((tls_model("initial-exec")));

void glet_go_init(const glet_go_calls *c) { calls = *c; }

static glet_go_layout rt;

enum { PLAIN, ATTACHED, OLDP };                  /* gort.Mode */
enum { GSYSCALL = 3, GSCANSYSCALL = 0x1003 };    /* runtime2.go */

#define FIELD(type, base, offset) ((type *)((char *)(base) + (offset)))
#define LOAD(p) __atomic_load_n(p, __ATOMIC_RELAXED)
#define STORE(p, v) __atomic_store_n(p, v, __ATOMIC_RELAXED)

/*
 * The M that goes on gets the P of the one that stops. Without that it finds that
 * it has none, looks for one that is idle, and if others keep all of them busy it
 * sleeps, while the P that it needs stays with the one that stopped until sysmon
 * takes notice.
 *
 * From Go 1.26 on the P is attached to the M in a system call. Whoever holds the
 * goroutine's scan bit owns that link (setBlockOnExitSyscall, proc.go), and a
 * thief who looks at the P meanwhile sees an M that does not have it, and goes.
 * If somebody else holds the bit, the P is being taken away: nothing to hand over.
 */
static inline void hand_over(void *gfrom, void *gto) /* any g of the Ms */
{
    char *from = LOAD(FIELD(char *, gfrom, rt.g_m));
    char *to = LOAD(FIELD(char *, gto, rt.g_m));

    if (rt.mode == OLDP) { /* let go already; remembered by the M's thread alone */
        *FIELD(char *, to, rt.m_oldp) = *FIELD(char *, from, rt.m_oldp);
        return;
    }
    if (LOAD(FIELD(char *, to, rt.m_p)) != NULL)
        return; /* it has kept one */
    uint32_t *status = FIELD(uint32_t, LOAD(FIELD(char *, from, rt.m_curg)), rt.g_status);
    uint32_t expected = GSYSCALL;
    if (!__atomic_compare_exchange_n(status, &expected, GSCANSYSCALL, 0, __ATOMIC_ACQ_REL,
                                     __ATOMIC_RELAXED))
        return;
    char *p = LOAD(FIELD(char *, from, rt.m_p));
    if (p != NULL) {
        STORE(FIELD(char *, from, rt.m_p), NULL);
        STORE(FIELD(char *, p, rt.p_m), to);
        __atomic_store_n(FIELD(char *, to, rt.m_p), p, __ATOMIC_RELEASE);
    }
    __atomic_store_n(status, GSYSCALL, __ATOMIC_RELEASE);
}

/*
 * While a CPU profile is being taken, each M has a timer of its own, for the time
 * of its thread: here that would count the thread's time once for each M that it
 * has. So an M's timer is deleted when it switches, the root's as well. Samples
 * then come from the process's timer, as for any M without one (validSIGPROF,
 * os_linux.go). One timer for the thread beside that would not do: when both fire at
 * the same tick, the kernel hands the process's signal to some other thread.
 */
static void drop_timer(char *m)
{
    /* One that cannot be deleted is none of the M's all the same: its signals count for nothing. */
    if (!glet_fault(GLET_FAULT_TIMER))
        (void)syscall(SYS_timer_delete, *FIELD(int32_t, m, rt.m_timer));
    __atomic_store_n(FIELD(uint8_t, m, rt.m_timer_valid), 0, __ATOMIC_RELEASE);
}

/*
 * A preemption signal for an M may have come while another one of its thread was in
 * place, and then the flag of this one stays: no other signal would ever be sent.
 * Says that it has come, as doSigPreempt (signal_unix.go) does.
 */
static inline void acknowledge_signal(char *m)
{
    if (__builtin_expect(LOAD(FIELD(uint32_t, m, rt.m_signal)) == 0, 1))
        return;
    __atomic_add_fetch(FIELD(uint32_t, m, rt.m_preempt_gen), 1, __ATOMIC_ACQ_REL);
    __atomic_store_n(FIELD(uint32_t, m, rt.m_signal), 0, __ATOMIC_RELEASE);
}

int glet_go_switch_plain(glet_coro *to)
{
    int code = glet_coro_switch_alike(to);
    if (rt.mode != PLAIN)
        acknowledge_signal(LOAD(FIELD(char *, glet_word_load(), rt.g_m)));
    return code;
}

int glet_go_switch(glet_coro *to)
{
    void *g0 = glet_word_load();
    void *other = glet_coro_word(to);
    char *m = LOAD(FIELD(char *, g0, rt.g_m));

    if (__builtin_expect(LOAD(FIELD(uint8_t, m, rt.m_timer_valid)), 0))
        drop_timer(m);
    if (__builtin_expect(other != NULL, 1))
        hand_over(g0, other);
    else
        local.giver = g0; /* for bindm */
    int code = glet_coro_switch_alike(to);
    acknowledge_signal(m);
    return code;
}

int glet_go_use(const glet_go_layout *l)
{
    char *g0 = glet_word_load();
    if (g0 == NULL)
        return GLET_EWORD;
    char *m = *FIELD(char *, g0, l->g_m);
    char *g = *FIELD(char *, m, l->m_curg);
    char *p = LOAD(FIELD(char *, m, l->m_p));
    if (LOAD(FIELD(uint32_t, g, l->g_status)) != GSYSCALL || *FIELD(char *, g, l->g_m) != m)
        return GLET_EWORD;
    if (*FIELD(uint32_t, m, l->m_locked_ext) == 0) /* the caller's own lock, at least */
        return GLET_EWORD;
    if (l->mode == ATTACHED ? p == NULL || LOAD(FIELD(char *, p, l->p_m)) != m
                            : p != NULL || *FIELD(char *, m, l->m_oldp) == NULL)
        return GLET_EWORD;
    rt = *l;
    return GLET_OK;
}

/*
 * m.lockedExt counts LockOSThread less UnlockOSThread, which stops at 0. Only the M's own
 * goroutine looks at it (proc.go), and at 0 the goroutine is free to go to other threads.
 */
enum { PINNED = 1 << 30 };

void glet_go_pin(void)
{
    uint32_t *n = FIELD(uint32_t, LOAD(FIELD(char *, glet_word_load(), rt.g_m)), rt.m_locked_ext);
    if (*n < PINNED / 2) /* else a root on a thread of C's left it so, and its M is used again */
        *n += PINNED;
}

void glet_go_unpin(void)
{
    uint32_t *n = FIELD(uint32_t, LOAD(FIELD(char *, glet_word_load(), rt.g_m)), rt.m_locked_ext);
    if (*n >= PINNED / 2)
        *n = *n > PINNED ? *n - PINNED : 1; /* the caller's, which lets the goroutine go */
}

/*
 * What the goroutine of a fresh extra M has in sched.pc: goexit and a bit, the same
 * for all. 0: none has been seen that was as oneNewExtraM (proc.go) makes it. (One
 * that was a root on a thread that C made, and is used again, is not: its goroutine
 * is still locked to its thread.)
 */
static uintptr_t fresh_pc;

/* The stack pointer of a goroutine without frames (oneNewExtraM). */
static uintptr_t fresh_sp(char *g)
{
    return *FIELD(uintptr_t, g, rt.g_stack_hi) - 4 * sizeof(uintptr_t);
}

/* Of the calls from C that are under way, a slice; see GCgoCtxt in internal/gort. */
struct contexts { size_t *of; intptr_t n, room; };

static struct contexts *contexts(char *g) { return FIELD(struct contexts, g, rt.g_cgo_ctxt); }

static int is_fresh(char *g, char *m)
{
    uintptr_t sp = fresh_sp(g);
    uintptr_t pc = *FIELD(uintptr_t, g, rt.g_sched_pc);
    return *FIELD(uintptr_t, g, rt.g_sched_sp) == sp && *FIELD(uintptr_t, g, rt.g_syscall_sp) == sp &&
           *FIELD(uintptr_t, g, rt.g_stktopsp) == sp && *FIELD(uintptr_t, g, rt.g_syscall_pc) == pc &&
           *FIELD(uintptr_t, g, rt.g_sched_bp) == 0 && *FIELD(uintptr_t, g, rt.g_syscall_bp) == 0 &&
           *FIELD(void *, g, rt.g_panic) == NULL && *FIELD(void *, g, rt.g_defer) == NULL &&
           contexts(g)->n == 0 && *FIELD(int32_t, m, rt.m_ncgo) == 0 && *FIELD(uint32_t, m, rt.m_locked_int) == 1 &&
           *FIELD(uint32_t, m, rt.m_locked_ext) == 0;
}

/* Reads a varint at *at, which stays below end, or gives up with a place past end. */
static uint64_t get_varint(const uint8_t **at, const uint8_t *end)
{
    uint64_t v = 0;
    for (int shift = 0; *at < end && shift < 64; shift += 7) {
        uint8_t b = *(*at)++;
        v |= (uint64_t)(b & 0x7f) << shift;
        if (b < 0x80)
            return v;
    }
    *at = end + 1;
    return 0;
}

static size_t put_varint(uint8_t *at, uint64_t v)
{
    size_t n = 0;
    for (; v >= 0x80; v >>= 7)
        at[n++] = (uint8_t)v | 0x80;
    at[n++] = (uint8_t)v;
    return n;
}

/*
 * Gives a batch of an execution trace, which the thread `was` has begun, to `now`.
 * It begins with 1, generation, thread, time (all varints), and room for the
 * length of the rest; only a batch that looks so and is small is touched.
 */
static void rename_batch(char *buf, uint64_t was, uint64_t now)
{
    enum { BATCH = 1, NUMBER = 10, SMALL = 256 }; /* NUMBER: traceBytesPerNumber, tracebuf.go */
    int64_t *pos = FIELD(int64_t, buf, rt.tbuf_pos), *len_pos = FIELD(int64_t, buf, rt.tbuf_len_pos);
    uint8_t *arr = FIELD(uint8_t, buf, rt.tbuf_arr), name[NUMBER];
    if (*len_pos < 4 || *pos > SMALL || *len_pos + NUMBER > *pos || arr[0] != BATCH)
        return;
    const uint8_t *end = arr + *len_pos, *thread = arr + 1;
    (void)get_varint(&thread, end);
    const uint8_t *time = thread;
    uint64_t id = get_varint(&time, end);
    const uint8_t *len = time;
    (void)get_varint(&len, end);
    if (len != end || id != was)
        return;
    size_t old = (size_t)(time - thread), new = put_varint(name, now);
    memmove(arr + (thread - arr) + new, time, (size_t)(arr + *pos - time));
    memcpy(arr + (thread - arr), name, new);
    *pos += (int64_t)new - (int64_t)old;
    *len_pos += (int64_t)new - (int64_t)old;
}

/*
 * All Ms of a thread have its ID, and an execution trace takes them for one that
 * runs several goroutines at once, and cannot be read. So each M of ours gets a
 * number of its own. During a trace, needm has told of the goroutine already:
 * the one event in the M's buffer.
 *
 * The tracer can have taken that buffer away since: it would have to come to this
 * M in the instant between needm and here, just after it began a new generation,
 * which it does once a second. Such a trace cannot be read.
 */
static void name_thread(void *g0)
{
    static uint32_t last;
    char *m = *FIELD(char *, g0, rt.g_m);
    uint64_t *procid = FIELD(uint64_t, m, rt.m_procid);
    uint64_t tid = (uint32_t)*procid;
    uint64_t name = (uint64_t)__atomic_add_fetch(&last, 1, __ATOMIC_RELAXED) << 32 | tid;

    if (rt.mode == OLDP) /* the same versions have a counter here, odd while writing */
        __atomic_add_fetch(FIELD(uintptr_t, m, rt.m_trace_writing), 1, __ATOMIC_SEQ_CST);
    else
        __atomic_store_n(FIELD(uint8_t, m, rt.m_trace_writing), 1, __ATOMIC_SEQ_CST);
    STORE(procid, name);
    for (int i = 0; i < 2; i++) {
        char *buf = LOAD(FIELD(char *, m, rt.m_trace_buf[i]));
        if (buf != NULL)
            rename_batch(buf, tid, name);
    }
    if (rt.mode == OLDP)
        __atomic_add_fetch(FIELD(uintptr_t, m, rt.m_trace_writing), 1, __ATOMIC_SEQ_CST);
    else
        __atomic_store_n(FIELD(uint8_t, m, rt.m_trace_writing), 0, __ATOMIC_SEQ_CST);
}

/*
 * The Ms of a thread share its signal stack. One page of the M's own is resident all
 * the same: a quarter of what a suspended greenlet takes. It is a wish: what is not
 * as expected stays as it is.
 */
static void release_signal_stack(void *g0)
{
    char *m = *FIELD(char *, g0, rt.g_m);
    uintptr_t lo = FIELD(uintptr_t, m, rt.m_gosigstack)[0], hi = FIELD(uintptr_t, m, rt.m_gosigstack)[1];
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

    if (LOAD(FIELD(uint8_t, m, rt.m_new_sigstack)) == 0 && lo != 0 && lo % page == 0 && hi - lo == 32 << 10 &&
        *(uintptr_t *)lo == 0)
        (void)madvise((void *)lo, page, MADV_DONTNEED);
}

static void look_at_fresh(void *g0)
{
    char *m = *FIELD(char *, g0, rt.g_m);
    char *g = *FIELD(char *, m, rt.m_curg);
    if (is_fresh(g, m))
        STORE(&fresh_pc, *FIELD(uintptr_t, g, rt.g_sched_pc));
}

/*
 * needm notes the thread's signal mask, and dropm sets it again, on a thread on which C may
 * have set another one since. So it is made what dropm will set.
 */
enum { MASK_BYTES = 8 }; /* of the kernel's; sigset_t has room for more */

static void keep_mask(void *word, const sigset_t *mask)
{
    if (rt.mode != PLAIN && word != NULL)
        memcpy(FIELD(char, LOAD(FIELD(char *, word, rt.g_m)), rt.m_sigmask), mask, MASK_BYTES);
}

/*
 * needm also lets in signals that Go wants to have (minitSignalMask). The thread's own M
 * has done so, when it was the first; what C has set after that stays.
 */
static void restore_mask(void *g0)
{
    sigset_t mask;
    sigemptyset(&mask);
    memcpy(&mask, FIELD(char, LOAD(FIELD(char *, g0, rt.g_m)), rt.m_sigmask), MASK_BYTES);
    (void)pthread_sigmask(SIG_SETMASK, &mask, NULL); /* fails for another first argument only */
}

/* dropm runs Go code, which must find itself on the stack of that M's g0. */
static glet_coro *drop_main(void *g0)
{
    glet_word_store(g0);
    crosscall2(NULL, g0, 0, 0);
    return local.retirer;
}

/* Makes the goroutine of a suspended M as it was when it was new. */
static int forget(char *m)
{
    uintptr_t pc = LOAD(&fresh_pc);
    if (rt.mode == PLAIN || pc == 0)
        return GLET_EWORD;
    char *g = *FIELD(char *, m, rt.m_curg);
    uint32_t *status = FIELD(uint32_t, g, rt.g_status);

    /* The scan bit keeps the collector and profiles off the stack meanwhile. */
    uint32_t expected = GSYSCALL;
    while (!__atomic_compare_exchange_n(status, &expected, GSCANSYSCALL, 0, __ATOMIC_ACQ_REL,
                                        __ATOMIC_RELAXED)) {
        if (expected != GSYSCALL && expected != GSCANSYSCALL)
            return GLET_EWORD;
        expected = GSYSCALL;
        sched_yield();
    }
    uintptr_t sp = fresh_sp(g);
    *FIELD(uintptr_t, g, rt.g_sched_sp) = sp;
    *FIELD(uintptr_t, g, rt.g_sched_pc) = pc;
    *FIELD(uintptr_t, g, rt.g_sched_bp) = 0;
    *FIELD(uintptr_t, g, rt.g_syscall_sp) = sp;
    *FIELD(uintptr_t, g, rt.g_syscall_pc) = pc;
    *FIELD(uintptr_t, g, rt.g_syscall_bp) = 0;
    *FIELD(uintptr_t, g, rt.g_stktopsp) = sp;
    *FIELD(void *, g, rt.g_panic) = NULL;
    *FIELD(void *, g, rt.g_defer) = NULL;
    struct contexts lost = *contexts(g);
    contexts(g)->n = 0;
    *FIELD(int32_t, m, rt.m_ncgo) = 0;
    *FIELD(uint32_t, m, rt.m_locked_int) = 1;
    *FIELD(uint32_t, m, rt.m_locked_ext) = 0;
    /*
     * dropm counts a goroutine that is in a system call without a P, unless this
     * says that it is in C for good. One with a P was not counted.
     */
    *FIELD(uint8_t, m, rt.m_is_extra_in_c) = LOAD(FIELD(char *, m, rt.m_p)) != NULL;
    __atomic_store_n(status, GSYSCALL, __ATOMIC_RELEASE);
    while (lost.n > 0) /* as the stubs of these calls would have, each as it returns */
        _cgo_release_context(lost.of[--lost.n]);
    return GLET_OK;
}

int glet_go_discard(glet_coro *c)
{
    if (rt.mode == PLAIN || LOAD(&fresh_pc) == 0)
        return GLET_EWORD;
    if (c == glet_coro_current())
        return GLET_EBUSY; /* its thread ends on it: pthread_exit in a greenlet */
    glet_coro_leave_fiber(c);
    char *word = glet_coro_word(c); /* g0, or the goroutine if Go has switched */
    if (word == NULL)
        return GLET_EWORD;
    char *m = *FIELD(char *, word, rt.g_m);
    char *g0 = *FIELD(char *, m, rt.m_g0);
    if (forget(m) != GLET_OK)
        return GLET_EWORD;

    sigset_t all, mask;
    sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &mask);
    keep_mask(g0, &mask);
    local.retirer = glet_coro_current();
    int code = glet_coro_restart(c, drop_main, g0);
    if (code == GLET_OK)
        code = glet_coro_switch(c);
    (void)pthread_sigmask(SIG_SETMASK, &mask, NULL);
    return code != GLET_OK ? code : glet_coro_free(c);
}

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

/*
 * Is an execution trace being written? Its events say that the P stays, so it is not to
 * be handed over, and to ask Go from here would take ten times as long as all the rest.
 * M m was in Go before it came here, with its P, and that has left an event in its
 * buffer (entersyscall), or the P was lost when the trace was started, which stops the
 * world. What is missed is a trace whose next part has begun since (traceAdvance, once
 * a second): that has emptied the buffer.
 */
static inline int traced(char *m)
{
    return LOAD(FIELD(char *, m, rt.m_trace_buf[0])) != NULL || LOAD(FIELD(char *, m, rt.m_trace_buf[1])) != NULL;
}

/* As glet_go_switch does before and after the switch. */
void glet_go_announce(void *from, void *to)
{
    if (rt.mode == PLAIN)
        return;
    if (from == NULL)
        from = local.giver; /* a fiber that has not called Go: its starter's P is still there */
    local.giver = NULL;
    if (from == NULL || from == to)
        return;
    char *m = LOAD(FIELD(char *, from, rt.g_m));
    if (LOAD(FIELD(uint8_t, m, rt.m_timer_valid)))
        drop_timer(m);
    int stays = traced(m);
    if (to == NULL) {
        local.giver = stays ? NULL : from;
        return;
    }
    char *next = LOAD(FIELD(char *, to, rt.g_m));
    acknowledge_signal(next);
    /*
     * The runtime counts goroutines in system calls without a P, but not those of
     * threads that are in C for good: between a counted one and another the P
     * cannot go without its knowledge.
     */
    if (!stays && *FIELD(uint8_t, m, rt.m_is_extra_in_c) == *FIELD(uint8_t, next, rt.m_is_extra_in_c))
        hand_over(from, to);
}

/* Are there Go frames on the goroutine of an M that does not run? */
static int has_frames(char *g0)
{
    if (rt.mode != PLAIN) {
        char *g = *FIELD(char *, *FIELD(char *, g0, rt.g_m), rt.m_curg);
        return *FIELD(uintptr_t, g, rt.g_syscall_sp) != fresh_sp(g);
    }
    void *word = glet_word_load();
    glet_word_store(g0);
    int yes = calls.has_frames();
    glet_word_store(word);
    return yes;
}

/* cgocallback leaves g0's sched.sp below the frames of C that it was called by, and their registers. */
void *glet_go_c_stack(void *word)
{
    if (rt.mode == PLAIN || word == NULL)
        return NULL;
    char *g0 = *FIELD(char *, *FIELD(char *, word, rt.g_m), rt.m_g0);
    return word == g0 ? NULL : *FIELD(void *, g0, rt.g_sched_sp);
}

int glet_go_drop(void *fiber)
{
    void *g0 = fiber; /* or the goroutine, if Go itself has switched, where the layout is known */
    if (rt.mode != PLAIN)
        g0 = *FIELD(void *, *FIELD(char *, fiber, rt.g_m), rt.m_g0);
    if (has_frames(g0)) {
        if (calls.keeps_frames || rt.mode == PLAIN ||
            forget(*FIELD(char *, g0, rt.g_m)) != GLET_OK)
            return GLET_EFRAMES;
    } else if (rt.mode != PLAIN) {
        char *m = *FIELD(char *, g0, rt.g_m);
        *FIELD(int32_t, m, rt.m_ncgo) = 0;
        *FIELD(uint8_t, m, rt.m_is_extra_in_c) = LOAD(FIELD(char *, m, rt.m_p)) != NULL;
    }
    if (local.giver == g0)
        local.giver = NULL;

    sigset_t all, mask;
    sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &mask);
    keep_mask(g0, &mask);
    /*
     * dropm runs Go code on the present stack, which the g0 must take for its own:
     * the fiber's may be gone. This beginning of struct g is known to runtime/cgo
     * (libcgo.h) and to the linker.
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
        /* Called between needm and the first exitsyscall, which looks for a P. */
        if (rt.mode != PLAIN) {
            name_thread(g0);
            look_at_fresh(g0);
            release_signal_stack(g0);
            if (local.bound)
                restore_mask(g0);
            acknowledge_signal(*FIELD(char *, g0, rt.g_m)); /* left from a life before */
            /*
             * As if one call from Go to C were under way. When the last one ends,
             * the runtime takes an extra M for one that is in C for good, and
             * would not count it as glet_go_announce needs it.
             */
            if (glet_coro_fibers(glet_coro_current())->running != NULL)
                *FIELD(int32_t, *FIELD(char *, g0, rt.g_m), rt.m_ncgo) = 1;
        }
        if (local.giver != NULL)
            hand_over(local.giver, g0);
        local.giver = NULL;
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

int glet_go_find_word(intptr_t hint)
{
    if (hint != 0) {
        glet_word_offset = hint;
        return GLET_OK;
    }
    struct search s = {.g = g_register()};
    if (s.g != NULL)
        dl_iterate_phdr(search_module, &s);
    if (s.found != 1)
        return GLET_EWORD;
    glet_word_offset = s.offset;
    return GLET_OK;
}

int glet_go_verify_word(void)
{
    void *g = g_register(), *w = glet_word_load();
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

/*
 * At the end of a thread that Go made, g still is the g0 of an M that is gone
 * (mexit, proc.go): the callback has to come as from an unknown thread.  On a
 * thread that C made, g is a living M's g0, or nil when its turn came first.
 */
static void thread_exit(void *thread)
{
    if (!local.bound)
        glet_word_store(NULL);
    pthread_mutex_lock(&entering);
    calls.thread_exit((uintptr_t)thread);
    pthread_mutex_unlock(&entering);
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

int glet_go_attach(uintptr_t thread)
{
    pthread_key_t key;
    int e = exit_key(&key);
    if (e == 0)
        e = glet_fault(GLET_FAULT_KEY) ? errno : pthread_setspecific(key, (void *)thread);
    if (e == 0)
        return GLET_OK;
    errno = e;
    return GLET_EKEY;
}

static glet_coro *worker_main(void *worker)
{
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
    sigset_t mask;
    (void)pthread_sigmask(SIG_SETMASK, NULL, &mask);
    keep_mask(glet_coro_word(worker), &mask);
    local.retirer = glet_coro_current();
    int code = glet_coro_switch(worker);
    (void)pthread_sigmask(SIG_SETMASK, &mask, NULL); /* on the plain path it is another one now */
    return code != GLET_OK ? code : glet_coro_free(worker);
}
