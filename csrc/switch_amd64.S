//go:build !greenlet_ucontext

/*
 * switch_amd64.S - the stack switch for amd64, System V ABI.
 *
 * Contract
 *
 *   int glet_jump(void *const *to, void **from)        rdi, rsi
 *       Saves what the ABI calls callee-saved on the present stack, suspends it
 *       in *from, and goes on where the stack *to left off.  Everything else may
 *       change, as at any call.  Returns 0 when somebody has switched back; at once
 *       if from and to are the same.
 *
 *       All that it asks of the stack *to is that the saved stack pointer points
 *       at an address to go on at.  What else is on the stack is the business of
 *       the code there.  That code finds the control words of the stack that
 *       stopped in eax (MXCSR) and dx (x87), or all ones, which no control words
 *       are, for words that nobody has looked at.  Go's assembly
 *       (internal/gort/jump_amd64.s) and the inline form in coro.h keep to the
 *       same rule.
 *
 *   int glet_jump_alike(void *const *to, void **from)
 *       The same, for callers that were all called by the same code.
 *
 *   int glet_coro_switch(glet_coro *to)                rdi
 *       coro.h has the contract. Here is the ordinary case, without the jump from C
 *       to here: what is_open and go do in coro.c, which asserts the offsets, and has
 *       all others (glet_coro_switch_slow).  It is weak, since coro.c has a whole one
 *       where sanitizers want to be told. It falls into glet_jump.
 *
 *   glet_start
 *       Not called: it is the address at which a fresh stack goes on.
 *       Calls glet_coro_main(self), which does not return.
 *
 * A stack that glet_jump has suspended:
 *
 *            high addresses
 *          +----------------------+
 *   +0x40  | return address       |  of the call of glet_jump
 *   +0x38  | rbp                  |
 *   +0x30  | rbx                  |
 *   +0x28  | r12                  |
 *   +0x20  | r13                  |
 *   +0x18  | r14                  |
 *   +0x10  | r15                  |
 *   +0x08  | MXCSR | x87 CW | -   |  4 + 2 + 2 bytes
 *   +0x00  | address to go on at  |  label 3
 *          +----------------------+  <- saved stack pointer
 *            low addresses
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

        .macro  JUMP name, returns, align
        .globl  \name
        .hidden \name
        .type   \name, @function
        .p2align \align
\name:
        .cfi_startproc
        leaq    -0x40(%rsp), %rsp
        .cfi_adjust_cfa_offset 0x40
        leaq    3f(%rip), %rcx
        movq    %rcx, (%rsp)
        movq    %r15, 0x10(%rsp)
        movq    %r14, 0x18(%rsp)
        movq    %r13, 0x20(%rsp)
        movq    %r12, 0x28(%rsp)
        movq    %rbx, 0x30(%rsp)
        movq    %rbp, 0x38(%rsp)
        .cfi_rel_offset r15, 0x10
        .cfi_rel_offset r14, 0x18
        .cfi_rel_offset r13, 0x20
        .cfi_rel_offset r12, 0x28
        .cfi_rel_offset rbx, 0x30
        .cfi_rel_offset rbp, 0x38
        stmxcsr 0x08(%rsp)
        fnstcw  0x0c(%rsp)
        movzwl  0x0c(%rsp), %edx
        movq    %rsp, (%rsi)            /* here the old stack is suspended   */
        movq    (%rdi), %rsp            /* and from here on we are the other */
        cmpq    (%rsp), %rcx
        jne     4f

2:      ldmxcsr 0x08(%rsp)
        cmpw    0x0c(%rsp), %dx
        jne     1f
5:      movq    0x10(%rsp), %r15
        movq    0x18(%rsp), %r14
        movq    0x20(%rsp), %r13
        movq    0x28(%rsp), %r12
        movq    0x30(%rsp), %rbx
        movq    0x38(%rsp), %rbp
        xorl    %eax, %eax
        .cfi_remember_state
        .cfi_restore r15
        .cfi_restore r14
        .cfi_restore r13
        .cfi_restore r12
        .cfi_restore rbx
        .cfi_restore rbp
        .if     \returns
        leaq    0x40(%rsp), %rsp
        .cfi_adjust_cfa_offset -0x40
        ret
        .else
        movq    0x40(%rsp), %rcx
        leaq    0x48(%rsp), %rsp
        .cfi_adjust_cfa_offset -0x48
        .cfi_register rip, rcx
        jmp     *%rcx
        .endif

        .cfi_restore_state
4:      movq    (%rsi), %rcx            /* the other was suspended elsewhere */
        movl    0x08(%rcx), %eax
        popq    %rcx
        .cfi_adjust_cfa_offset -8
        jmp     *%rcx

3:      endbr64                         /* somebody else goes on with us     */
        leaq    -8(%rsp), %rsp
        .cfi_adjust_cfa_offset 8
        jmp     2b

1:      fldcw   0x0c(%rsp)
        jmp     5b
        .cfi_endproc
        .size   \name, .-\name
        .endm

        .weak   glet_coro_switch
        .type   glet_coro_switch, @function
        .p2align 5
glet_coro_switch:
        .cfi_startproc
        testq   %rdi, %rdi
        jz      glet_coro_switch_slow
        movq    glet_thread_here@gottpoff(%rip), %r9
        movq    %fs:0x18(%r9), %rax     /* the thread's gate is its address  */
        cmpq    0x18(%rdi), %rax
        jne     glet_coro_switch_slow
        movq    0x20(%rax), %rcx        /* exceptions that are handled?      */
        movl    8(%rcx), %edx
        orq     (%rcx), %rdx
        jnz     glet_coro_switch_slow
        movq    (%rax), %rsi            /* from                              */
        movq    %rdi, (%rax)
        movq    glet_word_offset_here(%rip), %r10
        testq   %r10, %r10
        jz      glet_jump
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
        endbr64
        cmpl    (%rsp), %eax
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
