/*
 * coro.h - symmetric coroutines with stacks of their own.
 *
 * A coroutine is a C function that runs on its own stack.  Any coroutine may
 * switch to any other one of the same thread; the one that switches stops
 * right there, in the middle of whatever it was doing, and goes on from there
 * when somebody switches back to it.  There is no scheduler.
 *
 *     static glet_coro *body(void *arg) {
 *         glet_coro *back = arg;
 *         puts("in the coroutine");
 *         glet_coro_switch(back);          // to main, and later back here
 *         puts("again");
 *         return back;                     // finished; main goes on
 *     }
 *
 *     int main(void) {
 *         glet_coro *c;
 *         int e = glet_coro_new(&c, 0, body, glet_coro_current());
 *         if (e != GLET_OK) { fputs(glet_text(e), stderr); return 1; }
 *         glet_coro_switch(c);
 *         glet_coro_switch(c);
 *         return glet_coro_free(c);
 *     }
 *
 * Threads.  Every thread has a coroutine from the start: its own stack, which
 * glet_coro_current() returns as long as nobody has switched.  It is never
 * freed.  A coroutine belongs to the thread that made it and runs nowhere
 * else; all calls about it come from that thread.
 *
 * Errors.  Every function that can fail returns one of the GLET_ codes, of
 * which GLET_OK is 0, and then has changed nothing.  Where the system refused
 * something, errno says why.  glet_text() gives the code's meaning.
 *
 * Stacks.  Sizes are in bytes and are rounded up to whole pages, and to
 * GLET_STACK_FLOOR if they are below it; 0 means GLET_STACK_DEFAULT.  Memory
 * is only taken as the stack is used.  Below each stack lies a guard: running over
 * the end is a SIGSEGV, not a corruption.
 *
 * Life.  A coroutine is fresh, then running and suspended in turn, and finished when its
 * body has returned.  glet_coro_restart makes any of these but the running one fresh again.
 * A finished one keeps its stack until glet_coro_free.
 *
 *     glet_coro_new --> fresh --> running <--> suspended
 *                         ^          | the body returns
 *                         |          v
 *                         '------ finished --> glet_coro_free
 *
 * Caveats
 *
 *   - A coroutine is not a thread.  A call that blocks stops all coroutines of the thread,
 *     and a mutex that one of them holds is held by the thread: another one that locks it
 *     waits for ever.
 *   - Thread-local variables, errno among them, are the thread's.  Libraries that keep "the
 *     current one" of something there see another coroutine's after a switch.
 *   - To free or restart a suspended coroutine runs nothing of it: memory that its frames own
 *     is leaked, locks stay locked, C++ destructors do not run.
 *   - A coroutine that never goes on keeps its stack until it is freed, by its own thread, or
 *     by any after glet_coro_thread_end.  A thread that ends without that leaks them.
 *   - longjmp, setcontext and C++ exceptions stay on the stack that they began on.  An exception
 *     that leaves a body finds no handler, and ends the process (std::terminate).
 *   - A function whose frame is larger than GLET_STACK_GUARD may step over the guard.  Compile
 *     with -fstack-clash-protection what has such frames or uses alloca with large sizes.
 *   - A signal handler without SA_ONSTACK runs on the coroutine's stack, which has to have room
 *     for it.  A handler must not switch.
 *   - After fork the child has the calling thread's coroutines, on copies of their stacks, and
 *     those of the other threads are lost.
 *   - The core tells AddressSanitizer, ThreadSanitizer and valgrind of its stacks if it is
 *     compiled for them; of those that it does not know of they report nonsense.
 *
 * This file is the C core's public face; fiber.h is for coroutines of others.
 * The core is used by package greenlet for Go but knows nothing of it: the files that do
 * are those whose names begin with go_ and fiber.
 */
#ifndef GLET_CORO_H
#define GLET_CORO_H

#ifndef __linux__
#error "the C core of package greenlet is written for Linux; greenlets in Go are there everywhere"
#endif

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The least usable stack.  Code of the Go runtime runs on these stacks when C
 * calls Go, and it expects 32 KiB where it knows nothing (cgocall.go,
 * callbackUpdateSystemStack).  The race detector and unoptimised builds need
 * more than that, so the floor is twice as much.
 */
#define GLET_STACK_FLOOR   ((size_t)64 << 10)
#define GLET_STACK_DEFAULT ((size_t)256 << 10)
/*
 * The guard: a function with a frame up to this size cannot step over it.  Its pages and
 * those of the default are an odd number, since at an even distance many stacks would
 * compete for the same sets of a cache.
 */
#define GLET_STACK_GUARD   ((size_t)60 << 10)
/* A larger stack is taken for a mistake: GLET_ESIZE. */
#define GLET_STACK_MAX     ((size_t)1 << 30)

enum {
    GLET_OK = 0,
    GLET_ENULL,     /* an argument is NULL that must not be                */
    GLET_ESIZE,     /* the stack is too small, or over GLET_STACK_MAX      */
    GLET_ENOMEM,    /* no memory or address space for a stack; see errno   */
    GLET_EGUARD,    /* the guard could not be made; see errno              */
    GLET_ETHREAD,   /* the coroutine belongs to another thread             */
    GLET_EDONE,     /* the coroutine has finished                          */
    GLET_EBUSY,     /* the coroutine is the current one or a thread's own  */
    GLET_EKEY,      /* no thread-local key left; see errno                 */
    GLET_EWORD,     /* Go's thread word was not found on this platform     */
    GLET_EFREED,    /* fiber.h: it was freed                               */
    GLET_ESTACK,    /* fiber.h: not on the stack of the announced fiber    */
    GLET_EFRAMES    /* fiber.h: Go functions are suspended on the fiber    */
};

/* What a code means, in words; never NULL, not to be freed. */
const char *glet_text(int code);

typedef struct glet_coro glet_coro;

/*
 * A coroutine's body.  When it returns, the coroutine has finished and the one
 * that it returned goes on; if that one cannot (NULL, finished, of another
 * thread), the thread's own does.
 */
typedef glet_coro *(*glet_body)(void *arg);

/* Makes a coroutine that will run body(arg) at the first switch to it. */
int glet_coro_new(glet_coro **out, size_t stack_size, glet_body body, void *arg);

/*
 * Switches to a coroutine; returns when somebody switches back.  To the current
 * one: returns at once.  Callee-saved registers and the floating-point control
 * words (MXCSR and x87 on amd64, FPCR on arm64, frm on riscv64) belong to the coroutine; the
 * signal mask, errno and everything else belong to the thread.  (The ucontext
 * backend switches the signal mask too, at the price of two system calls.)
 */
int glet_coro_switch(glet_coro *to);

/*
 * The same. It is faster where those who switch have all been called by the same
 * code, and through many functions, and slower elsewhere: a matter of how the
 * processor predicts returns.
 */
int glet_coro_switch_alike(glet_coro *to);

/*
 * The same, compiled into the caller, for few coroutines that do little else than
 * switch: it saves only what the compiler has in use, and takes half of the others' time.
 * Whoever was suspended by one may be gone on with by any other.
 *
 * It leaves the floating-point control words alone, since to read them takes longer
 * than all the rest. Who is suspended by it goes on with those of whoever switches
 * back; who is suspended by glet_coro_switch always gets his own again. So a program
 * that changes rounding modes or the like, and has them changed during a switch,
 * uses glet_coro_switch there.
 *
 * Where it cannot be compiled in it is a call of glet_coro_switch: other CPUs than
 * amd64 and arm64, other compilers than gcc and clang, sanitizers, code for SVE, SME or
 * APX; and if the core was built with the ucontext backend. docs/c-interop.md has more.
 */
static __inline__ int glet_coro_switch_inline(glet_coro *to);

/* The running coroutine; never NULL. Of NULL the questions below say 0 or NULL. */
glet_coro *glet_coro_current(void);

/* Non-zero for a thread's own coroutine, which nobody made. */
int glet_coro_is_root(const glet_coro *c);

/* Non-zero when the coroutine's body has returned. */
int glet_coro_finished(const glet_coro *c);

/*
 * Makes a suspended coroutine begin anew, as if body(arg) had been given to
 * glet_coro_new; nothing of what was on its stack runs any more.  Not the current
 * one and not a thread's own (GLET_EBUSY).
 */
int glet_coro_restart(glet_coro *c, glet_body body, void *arg);

/*
 * Gives the stack back.  The coroutine may be fresh, suspended (what its frames
 * hold is lost then, nothing of them runs any more) or finished, but not the
 * current one (GLET_EBUSY).
 */
int glet_coro_free(glet_coro *c);

/*
 * For the last function that uses coroutines on a thread that ends, as a destructor of
 * thread-specific data: the thread's coroutines count as finished, and any thread may free
 * them. A coroutine on whose stack this is called is left as it is.
 */
void glet_coro_thread_end(void);

/* The coroutine's stack: lowest usable address and the one past the highest. */
void glet_coro_bounds(const glet_coro *c, void **lo, void **hi);

/*
 * How deep the coroutine's stack has been used: the bytes from its upper end down to
 * the lowest page that is resident. Stacks serve one coroutine after the other, and
 * keep their pages. 0 for a thread's own. Fails with GLET_ENULL, or GLET_ENOMEM when the
 * kernel does not tell; see errno.
 */
int glet_coro_stack_used(const glet_coro *c, size_t *out);

/*
 * Gives back the memory of a coroutine's stack but for the uppermost `keep` bytes:
 * glet_coro_stack_used begins anew.  All its frames must be in these, if it is
 * suspended; if it is the current one, as much more is kept as it needs.  A wish:
 * where the kernel refuses it, as for locked memory, nothing happens.
 */
void glet_coro_trim_stack(glet_coro *c, size_t keep);

/* What the stack allocator holds, for the whole process. */
typedef struct {
    size_t stacks;     /* stacks in use                                */
    size_t slabs;      /* mappings that they are cut from              */
    size_t reserved;   /* address space of those mappings, in bytes    */
    int    guard_kind; /* 0 none made yet, 1 MADV_GUARD_INSTALL, 2 mprotect */
} glet_usage;

void glet_stack_usage(glet_usage *out);

/* "amd64", "arm64", "riscv64" or "ucontext": what switches the stacks. */
const char *glet_backend(void);

/*
 * From here on: how glet_coro_switch_inline does it. Nothing of it is for other use.
 */

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer) || \
    __has_feature(shadow_call_stack)
#define GLET_INLINE_NOT 1
#endif
#endif
#if defined(GLET_UCONTEXT) || !defined(__GNUC__) || defined(__ILP32__) || defined(__SANITIZE_ADDRESS__) || \
    defined(__SANITIZE_THREAD__) || defined(__APX_F__) || defined(__ARM_FEATURE_SVE) || \
    defined(__ARM_FEATURE_SME) || (defined(__x86_64__) && !defined(__SSE2__))
#define GLET_INLINE_NOT 1
#endif
#if !defined(__x86_64__) && !defined(__aarch64__)
#define GLET_INLINE_NOT 1
#endif

/* Does what few switches need, and says GLET_INLINE_GO_ON, or does all, or says why not. */
int glet_inline_admit(glet_coro *to);
#define GLET_INLINE_GO_ON (-1)

#ifndef GLET_INLINE_NOT

/* The beginning of the core's record of a coroutine; coro.c checks that it is. */
struct glet_inline_coro {
    void *sp, *tls_slot, *owner;
    const void *gate; /* that of the thread on which it can go on; of no thread if it cannot */
};

struct glet_inline_exceptions {
    void *caught;
    unsigned uncaught;
};

/* The beginning of what the core knows of the calling thread. */
struct glet_inline_thread {
    struct glet_inline_coro *current;
    void *others[2];
    const void *gate; /* NULL, as no coroutine has it, if every switch is to be admitted */
    const struct glet_inline_exceptions *watched; /* see exceptions.h; none, if there is no C++ */
};

extern ptrdiff_t glet_tls_slot_offset; /* see tls_slot.h */
#endif

#if !defined(GLET_INLINE_NOT) && !defined(GLET_CORO_ITSELF) /* which knows the thread by its full type */

extern __thread struct glet_inline_thread glet_thread_here __attribute__((tls_model("initial-exec")));

/*
 * The frame of one who was suspended here; switch_amd64.S and switch_arm64.S have what
 * all sides agree on, which is the lowest word, and what they find in some registers:
 * all ones here.
 *
 *     amd64                                 arm64
 *     +0x20  the red zone, 128 bytes        +0x28  (padding)
 *     +0x18  rbp                            +0x20  x19
 *     +0x10  rbx                            +0x18  x29
 *     +0x08  the caller's CFA               +0x10  the caller's CFA
 *     +0x00  address to go on at            +0x08  (padding)
 *                                           +0x00  address to go on at
 *
 * Compilers do not let themselves be told that those registers change, where they
 * need them for frames of changing size. Of all others they are told.
 *
 * How far the stack pointer is from the CFA (what unwinders reckon from) only the
 * compiler knows, so it is saved for the debugger, in the words of DWARF 5, 6.4.2 and
 * 2.5: the CFA is what the word at the stack pointer holds.
 */
#ifdef __GCC_HAVE_DWARF2_CFI_ASM
#define GLET_INLINE_CFI(text) text "\n\t"
#else
#define GLET_INLINE_CFI(text)
#endif

#if defined(__AVX512F__)
#define GLET_INLINE_VECTORS \
    , "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25", "xmm26", "xmm27", \
        "xmm28", "xmm29", "xmm30", "xmm31", "k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7"
#else
#define GLET_INLINE_VECTORS
#endif

#ifdef __cplusplus /* which warns of the other's casts */
#define GLET_INLINE_CAST(type, p) reinterpret_cast<type>(p)
#else
#define GLET_INLINE_CAST(type, p) ((type)(p))
#endif

static __inline__ __attribute__((__always_inline__, __unused__)) int glet_coro_switch_inline(glet_coro *to_)
{
    struct glet_inline_coro *to = GLET_INLINE_CAST(struct glet_inline_coro *, to_), *from;

    if (__builtin_expect(to_ == NULL || to->gate != glet_thread_here.gate ||
                             (GLET_INLINE_CAST(size_t, glet_thread_here.watched->caught) |
                              glet_thread_here.watched->uncaught) != 0, 0)) {
        int code = glet_inline_admit(to_);
        if (code != GLET_INLINE_GO_ON)
            return code;
    }
    from = glet_thread_here.current;
    glet_thread_here.current = to;

    ptrdiff_t at = glet_tls_slot_offset;
    void *cfa = __builtin_dwarf_cfa();
#if defined(__x86_64__)
    if (at != 0) { /* in this order: from and to may be the same */
        void *word;
        __asm__ __volatile__("movq %%fs:(%1), %0" : "=r"(word) : "r"(at) : "memory");
        from->tls_slot = word;
        word = to->tls_slot;
        __asm__ __volatile__("movq %0, %%fs:(%1)" : : "r"(word), "r"(at) : "memory");
    }
    __asm__ __volatile__(
        GLET_INLINE_CFI(".cfi_remember_state")
        GLET_INLINE_CFI(".cfi_def_cfa rcx, 0")
        "leaq    -0xa0(%%rsp), %%rsp\n\t"
        "movq    %%rbp, 0x18(%%rsp)\n\t"
        "movq    %%rbx, 0x10(%%rsp)\n\t"
        "movq    %%rcx, 0x08(%%rsp)\n\t"
        "leaq    1f(%%rip), %%rax\n\t"
        "movq    %%rax, (%%rsp)\n\t"
        "movl    $-1, %%eax\n\t"
        "movl    %%eax, %%edx\n\t"
        "movq    %%rsp, (%%rdi)\n\t"
        "movq    (%%rsi), %%rsp\n\t"
        "popq    %%r8\n\t"
        "jmp     *%%r8\n\t"
        GLET_INLINE_CFI(".cfi_escape 0x0f, 3, 0x77, 0, 0x06") /* DW_CFA_def_cfa_expression: breg7 0, deref */
        "int3\n" /* debuggers look for a caller just before the address to go on at */
        "1:\n\t"
        "endbr64\n\t"
        "movq    0x08(%%rsp), %%rbx\n\t"
        "movq    0x10(%%rsp), %%rbp\n\t"
        "leaq    0x98(%%rsp), %%rsp\n\t"
        GLET_INLINE_CFI(".cfi_restore_state")
        : "+D"(from), "+S"(to), "+c"(cfa)
        :
        : "rax", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "cc", "memory",
          "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)",
          "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",
          "xmm12", "xmm13", "xmm14", "xmm15" GLET_INLINE_VECTORS);
#else
    if (at != 0) {
        void *volatile *word = GLET_INLINE_CAST(void *volatile *, GLET_INLINE_CAST(char *, __builtin_thread_pointer()) + at);
        from->tls_slot = *word;
        *word = to->tls_slot;
    }
    register void *x0 __asm__("x0") = from;
    register void *x1 __asm__("x1") = to;
    register void *x2 __asm__("x2") = cfa;
    __asm__ __volatile__(
        GLET_INLINE_CFI(".cfi_remember_state")
        GLET_INLINE_CFI(".cfi_def_cfa x2, 0")
        "sub     sp, sp, #0x30\n\t"
        "adr     x3, 1f\n\t"
        "str     x3, [sp]\n\t"
        "stp     x2, x29, [sp, #0x10]\n\t"
        "str     x19, [sp, #0x20]\n\t"
        "mov     x3, sp\n\t"
        "str     x3, [x0]\n\t"
        "ldr     x3, [x1]\n\t"
        "mov     x9, #-1\n\t"
        "mov     sp, x3\n\t"
        "ldr     x30, [sp], #0x10\n\t"
        "ret\n\t"
        GLET_INLINE_CFI(".cfi_escape 0x0f, 3, 0x8f, 0, 0x06") /* DW_CFA_def_cfa_expression: breg31 0, deref */
        "brk     #1\n"
        "1:\n\t"
        "ldr     x29, [sp, #0x08]\n\t"
        "ldr     x19, [sp, #0x10]\n\t"
        "add     sp, sp, #0x20\n\t"
        GLET_INLINE_CFI(".cfi_restore_state")
        : "+r"(x0), "+r"(x1), "+r"(x2)
        :
        : "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17", "x18",
          "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28", "x30", "cc", "memory",
          "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13", "v14", "v15",
          "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29", "v30", "v31");
#endif
    return GLET_OK;
}

#undef GLET_INLINE_CFI
#undef GLET_INLINE_VECTORS
#undef GLET_INLINE_CAST

#else

static __inline__ int glet_coro_switch_inline(glet_coro *to) { return glet_coro_switch(to); }

#endif

#ifdef __cplusplus
}
#endif
#endif
