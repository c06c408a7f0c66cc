/*
 * go.h - the one part of the core that knows Go.
 *
 * To the Go runtime every coroutine is a C thread of its own.  When C calls an
 * exported Go function and the thread-local word g is nil, the runtime takes the
 * caller for a thread that it has never seen: needm (proc.go) gives it an extra
 * M, with a goroutine and with the stack it finds itself on as the M's g0.  The
 * core makes g travel with the coroutine (word.h), so that each coroutine has an
 * M and a goroutine of its own, and the thread has as many as it has coroutines.
 *
 * A *worker* is such a coroutine: stack, M and goroutine.  It calls Go once and
 * stays there until it is retired.
 */
#ifndef GLET_GO_H
#define GLET_GO_H

#include "coro.h"
#include <stdint.h>

/* What Go hands in, once, before the first worker. */
typedef struct {
    void (*enter)(uintptr_t worker);       /* exported: the life of a worker */
    void (*thread_exit)(uintptr_t thread); /* exported: the thread ends */
    void *getstackbound;                   /* runtime/cgo's own two hooks, */
    void *bindm;                           /* which ours pass calls on to  */
    int (*has_frames)(void);               /* exported: are there Go frames below the caller's? */
    int keeps_frames;                      /* frames cannot be given up: the race detector counts them */
    size_t tree_current, greenlet_core, core_name, core_id; /* where the name of who runs is, from the first local word */
} glet_go_calls;

void glet_go_init(const glet_go_calls *calls);

/* Ours, to be put into runtime.{_cgo_getstackbound,_cgo_bindm}. */
void *glet_go_getstackbound(void);
void *glet_go_bindm(void);

/*
 * Finds g.  `hint` is its distance from the thread pointer where Go's assembler
 * can tell (amd64); 0 makes the core search the executable's thread-local block.
 * glet_go_verify_word, called from a second goroutine on another thread, shows
 * that the place is right: GLET_OK or GLET_EWORD.
 */
int glet_go_find_word(intptr_t hint);
int glet_go_verify_word(void);

/* The place that was found: g's distance from the thread pointer. */
intptr_t glet_go_word_offset(void);

/*
 * Two thread-local words for Go: the tree whose greenlets run on this thread,
 * and the thread's record.  Their distance from the thread pointer, in bytes.
 */
intptr_t glet_go_local_offset(void);
void *glet_go_local(int i);
void glet_go_local_set(int i, void *v);

/* From now on calls.thread_exit(thread) is made when the calling thread ends. */
int glet_go_attach(uintptr_t thread);

/* Called first of all by what calls.enter calls in Go. */
void glet_go_entered(void);

/*
 * Where the runtime's structs have the fields that a switch touches: distances in
 * bytes, from internal/gort, which says what each is and why that is sound.
 */
typedef struct {
    uint32_t mode; /* as gort.Mode: 0 plain, 1 attached, 2 oldp */
    uint32_t g_m, g_status, m_curg, m_g0, m_p, p_m, m_oldp, m_procid, m_signal, m_preempt_gen, m_timer, m_timer_valid;
    uint32_t g_stack_hi, g_sched_sp, g_sched_pc, g_sched_bp, g_syscall_sp, g_syscall_pc,
        g_syscall_bp, g_stktopsp;
    uint32_t g_panic, g_defer, g_cgo_ctxt, m_ncgo, m_locked_int, m_locked_ext, m_is_extra_in_c, m_sigmask;
    uint32_t m_gosigstack, m_new_sigstack;
    uint32_t m_trace_writing, m_trace_buf[2], tbuf_pos, tbuf_len_pos, tbuf_arr;
} glet_go_layout;

/*
 * Checks the layout against the caller, a goroutine in a cgo call, and uses it
 * from now on if it holds: GLET_OK or GLET_EWORD.
 */
int glet_go_use(const glet_go_layout *layout);

/*
 * With a layout in use, and on a goroutine that has called LockOSThread: from the one to
 * the other, no UnlockOSThread lets the goroutine go, however many there are too many. At
 * the end there is one lock at least.
 */
void glet_go_pin(void);
void glet_go_unpin(void);

/*
 * glet_coro_switch for Go, between entersyscall and exitsyscall. glet_go_switch
 * hands the P over as well, where a layout is in use; not while an execution trace
 * is being written, whose events tell another story.
 */
int glet_go_switch(glet_coro *to);
int glet_go_switch_plain(glet_coro *to);

/* A worker that will call calls.enter(worker) at the first switch to it. */
int glet_go_worker_new(glet_coro **out, size_t stack_size, uintptr_t worker);

/*
 * Switches to a worker that returns from calls.enter as soon as it goes on; when
 * it has, its M goes back to the runtime (dropm) and its stack is freed.
 */
int glet_go_retire(glet_coro *worker);

/*
 * Frees a suspended worker of which nothing will ever run again: its goroutine is
 * made as it was when it was new, its M goes back to the runtime, and its stack is
 * freed. GLET_EWORD, and nothing is touched, where the layout is not known: then
 * the worker is lost.
 */
int glet_go_discard(glet_coro *worker);

/* From now on, overflows of greenlets' C stacks are explained; see overflow.h. 0 or an errno. */
int glet_go_explain_overflows(void);

/*
 * For fiber.c. Makes sure that what is above has been called: GLET_OK or
 * GLET_EWORD.
 */
int glet_go_ready(void);

/* The thread's word is about to change, from one M's to another's; NULL: no M yet. */
void glet_go_announce(void *from, void *to);

/*
 * How far down the C stack is in use that belongs to a suspended word, if Go itself has
 * switched, on its goroutine's stack; else NULL.
 */
void *glet_go_c_stack(void *word);

/*
 * Gives the M of that word, which is no longer one of any coroutine or fiber that
 * can run, back to the runtime, and gives up its goroutine's frames; GLET_EFRAMES.
 */
int glet_go_drop(void *word);

#endif
