//go:build !greenlet_ucontext && cgo && linux

/*
 * switch_amd64.S - the stack switch for amd64, System V ABI.
 *
 * Contract
 *
 *   int glet_jump(void *const *to, void **from)        rdi, rsi
 *       Saves what the ABI calls callee-saved in the record from, suspends the present
 *       stack there, and goes on where that of the record to left off.  Everything else may
 *       change, as at any call.  Returns 0 when somebody has switched back; at once
 *       if from and to are the same.
 *
 *       All that it asks of the stack of to is that the saved stack pointer points
 *       at an address to go on at.  What else is on the stack is the business of
 *       the code there.  That code finds the control words of the stack that
 *       stopped in eax (MXCSR) and dx (x87), or all ones, which no control words
 *       are, for words that nobody has looked at.  The inline form in coro.h
 *       keeps to the same rule.
 *
 *   int glet_jump_alike(void *const *to, void **from)
 *       The same, for callers that were all called by the same code.
 *
 *   int glet_coro_switch(glet_coro *to)                rdi
 *       coro.h has the contract. Here is the ordinary case, without the jump from C
 *       to here: what may_switch_fast and go do in coro.c, which asserts the offsets, and has
 *       all others (glet_coro_switch_slow).  It is weak, since coro.c has a whole one
 *       where sanitizers want to be told. It falls into glet_jump.
 *
 *   glet_start
 *       Not called: it is the address at which a fresh stack goes on.
 *       Calls glet_coro_main(self), which does not return.
 *
 * A stack that glet_jump has suspended:       Its record, which from points to:
 *
 *            high addresses                             high addresses
 *          +----------------------+                   +----------------------+
 *   +0x10  | return address       |            +0x50  | rbp                  |
 *   +0x08  | its record           |            +0x48  | rbx                  |
 *   +0x00  | address to go on at  |  label 3   +0x28  | r15 r14 r13 r12      |  4 words
 *          +----------------------+            +0x20  | MXCSR | x87 CW | -   |  4 + 2 + 2 bytes
 *            low addresses                     +0x08  | (others', in coro.c) |  3 words
 *                                              +0x00  | stack pointer        |
 *                                                     +----------------------+
 *
 * A fresh one:
 *
 *   +0x10  | self                 |
 *   +0x08  | MXCSR | x87 CW | 0   |  its maker's
 *   +0x00  | glet_start           |
 *          +----------------------+  <- saved stack pointer
 *
 * Odd choices:
 *
 *   - glet_jump ends with an indirect jump and not with `ret`, as boost.context and
 *     corosensei do: C code mostly switches to and fro between two places, so the
 *     address on the other stack is not the one that the return predictor
 *     remembers. The price is that the predictor is one entry off for the callers'
 *     returns. Where these are the same on both stacks, and many, that price is
 *     high, so glet_jump_alike returns. (Measured: docs/performance.md.)
 *   - The registers are in the record and not on the stack, since whoever goes on
 *     mostly needs one of them at once, to look up whom to switch to next: that
 *     would wait for the stack pointer first, in each switch.
 *   - A stack that was suspended in the same function goes on without a jump, so
 *     that there is one indirect jump in a switch and not two.
 *   - MXCSR is stored and loaded always. On the processor that this was measured on,
 *     stmxcsr takes as long as all the rest, and to wait for what it has stored, in
 *     order to compare it, costs 2 ns, while ldmxcsr costs next to nothing. The x87's
 *     word is compared, since fldcw is what is slow there on other processors.
 *   - endbr64 is for places entered by an indirect branch.  No Go executable has
 *     the shadow stack property, so there is no shadow stack to switch.
 */

        .text

/* Unwinders find a register in the record, whose address is at rsp + at. (DWARF 5, 6.4.2.3 and 2.5) */
        .macro  IN_RECORD reg, at, where        /* DW_CFA_expression: breg7 at, deref, plus_uconst where */
        .cfi_escape 0x10, \reg, 5, 0x77, \at, 0x06, 0x23, \where
        .endm
        .macro  ALL_IN_RECORD at
        IN_RECORD 15, \at, 0x28
        IN_RECORD 14, \at, 0x30
        IN_RECORD 13, \at, 0x38
        IN_RECORD 12, \at, 0x40
        IN_RECORD 3, \at, 0x48                  /* rbx */
        IN_RECORD 6, \at, 0x50                  /* rbp */
        .endm

        .macro  JUMP name, returns, align
        .globl  \name
        .hidden \name
        .type   \name, @function
        .p2align \align
\name:
        .cfi_startproc
        /* On entry: rdi = to, rsi = from, (rsp) = return address. All of rax, rcx, rdx,
           r8 to r11 and the vector registers may be changed. */
        leaq    3f(%rip), %rcx          /* where we are gone on with: label 3 */
        leaq    -0x10(%rsp), %rsp       /* room for two words */
        .cfi_adjust_cfa_offset 0x10
        movq    %rcx, (%rsp)            /* all that the other side relies on */
        movq    %rsi, 0x08(%rsp)        /* our record, which label 3 reads: rsi is the other's by then */
        movq    %r15, 0x28(%rsi)        /* the callee-saved registers of the System V ABI */
        movq    %r14, 0x30(%rsi)
        movq    %r13, 0x38(%rsi)
        movq    %r12, 0x40(%rsi)
        movq    %rbx, 0x48(%rsi)
        movq    %rbp, 0x50(%rsi)
        ALL_IN_RECORD 8
        stmxcsr 0x20(%rsi)              /* and its callee-saved control words */
        fnstcw  0x24(%rsi)
        movzwl  0x24(%rsi), %edx        /* for the comparison on the other side */
        movq    %rsp, (%rsi)            /* here the old stack is suspended   */
        movq    (%rdi), %rsp            /* and from here on we are the other */
        cmpq    (%rsp), %rcx            /* was it suspended by this same function? */
        jne     4f

        /* Here: rdi = the record of who goes on, dx = the x87's word as it is now. */
2:      ldmxcsr 0x20(%rdi)              /* always: cheaper than to compare; see above */
        cmpw    0x24(%rdi), %dx
        jne     1f
5:      movq    0x28(%rdi), %r15
        movq    0x30(%rdi), %r14
        movq    0x38(%rdi), %r13
        movq    0x40(%rdi), %r12
        movq    0x48(%rdi), %rbx
        movq    0x50(%rdi), %rbp
        xorl    %eax, %eax              /* the result, GLET_OK */
        .cfi_remember_state
        .cfi_same_value r15
        .cfi_same_value r14
        .cfi_same_value r13
        .cfi_same_value r12
        .cfi_same_value rbx
        .cfi_same_value rbp
        .if     \returns
        leaq    0x10(%rsp), %rsp
        .cfi_adjust_cfa_offset -0x10
        ret
        .else
        movq    0x10(%rsp), %rcx        /* the return address; see "odd choices" */
        leaq    0x18(%rsp), %rsp
        .cfi_adjust_cfa_offset -0x18
        .cfi_register rip, rcx
        jmp     *%rcx
        .endif

        .cfi_restore_state
1:      fldcw   0x24(%rdi)
        jmp     5b

4:      movl    0x20(%rsi), %eax        /* the other was suspended elsewhere: it gets MXCSR in eax, dx is as it was */
        popq    %rcx                    /* its address to go on at */
        .cfi_adjust_cfa_offset -8
        ALL_IN_RECORD 0
        jmp     *%rcx

        /* On entry: as another function leaves it; rsp is 8 above the frame's beginning. */
3:      endbr64                         /* somebody else goes on with us     */
        movq    (%rsp), %rdi            /* our record */
        leaq    -8(%rsp), %rsp          /* the frame as label 2 expects it */
        .cfi_adjust_cfa_offset 8
        ALL_IN_RECORD 8
        jmp     2b
        .cfi_endproc
        .size   \name, .-\name
        .endm

        .weak   glet_coro_switch
        .type   glet_coro_switch, @function
        .p2align 5
glet_coro_switch:
        .cfi_startproc
        /* On entry: rdi = to, as at any call. Nothing is pushed, so all ways out are jumps. */
        testq   %rdi, %rdi
        jz      glet_coro_switch_slow   /* NULL */
        movq    glet_thread_here@gottpoff(%rip), %r9
        movq    %fs:0x18(%r9), %rax     /* the thread's gate is its address  */
        cmpq    0x18(%rdi), %rax
        jne     glet_coro_switch_slow   /* another thread's, finished, or with exceptions */
        movq    0x20(%rax), %rcx        /* exceptions that are handled?      */
        movl    8(%rcx), %edx
        orq     (%rcx), %rdx
        jnz     glet_coro_switch_slow
        movq    (%rax), %rsi            /* from: the thread's current one    */
        movq    %rdi, (%rax)            /* which is `to` now                 */
        movq    glet_tls_slot_offset_here(%rip), %r10
        testq   %r10, %r10
        jz      glet_jump               /* there is no TLS slot              */
        movq    %fs:(%r10), %r8
        movq    %r8, 8(%rsi)            /* before the next, for to may be from */
        movq    8(%rdi), %r11
        movq    %r11, %fs:(%r10)
        .cfi_endproc
        .size   glet_coro_switch, .-glet_coro_switch

        JUMP    glet_jump, 0, 0
        JUMP    glet_jump_alike, 1, 5

        .globl  glet_start
        .hidden glet_start
        .type   glet_start, @function
        .p2align 4
glet_start:
        .cfi_startproc
        .cfi_undefined rip              /* no caller: unwinders stop here    */
        /* On entry: eax and dx are the control words of who has stopped, or all ones; rsp
           points at what is above the address, +0x08 in the picture. */
        endbr64
        cmpl    (%rsp), %eax            /* the maker's: set them if they are others */
        jne     1f
        cmpw    4(%rsp), %dx
        je      2f
1:      ldmxcsr (%rsp)
        fldcw   4(%rsp)
2:      movq    8(%rsp), %rdi           /* self                              */
        xorl    %ebp, %ebp              /* frame pointer walks end here      */
        subq    $8, %rsp                /* calls want a 16-aligned stack     */
        call    glet_coro_main
        ud2
        .cfi_endproc
        .size   glet_start, .-glet_start

        .section .note.GNU-stack, "", @progbits
