//go:build !greenlet_ucontext

/*
 * switch_amd64.S - the stack switch for amd64, System V ABI.
 *
 * Contract
 *
 *   int glet_jump(void **from, void *to)        rdi, rsi
 *       Saves what the ABI calls callee-saved on the present stack, suspends it
 *       in *from, and goes on where the stack `to` left off.  Everything else may
 *       change, as at any call.  Returns 0 when somebody has switched back.
 *
 *       All that it asks of the stack `to` is that the saved stack pointer points
 *       at an address to go on at.  What else is on the stack is the business of
 *       the code there.  That code finds the control words of the stack that
 *       stopped in eax (MXCSR) and dx (x87).  Go's assembly
 *       (internal/gort/switch_amd64.s) keeps to the same rule.
 *
 *   int glet_jump_alike(void **from, void *to)
 *       The same, for callers that were all called by the same code.
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
 *   +0x08  | MXCSR | x87 CW | 0   |  4 + 2 + 2 bytes
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
 * Three odd choices:
 *
 *   - glet_jump ends with an indirect jump and not with `ret`, as boost.context and
 *     corosensei do: C code mostly switches to and fro between two places, so the
 *     address on the other stack is not the one that the return predictor
 *     remembers. The price is that the predictor is one entry off for the callers'
 *     returns. Where these are the same on both stacks, and many, that price is
 *     high, so glet_jump_alike returns. (Measured: docs/performance.md.)
 *   - The control words are stored always, which is cheap, but loaded only when
 *     they differ from the present ones, since ldmxcsr and fldcw are not.
 *   - endbr64 is for places entered by an indirect branch.  No Go executable has
 *     the shadow stack property, so there is no shadow stack to switch.
 */

        .text

        .macro  JUMP name, returns
        .globl  \name
        .hidden \name
        .type   \name, @function
        .p2align 4
\name:
        .cfi_startproc
        endbr64
        pushq   %rbp
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset rbp, 0
        pushq   %rbx
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset rbx, 0
        pushq   %r12
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset r12, 0
        pushq   %r13
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset r13, 0
        pushq   %r14
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset r14, 0
        pushq   %r15
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset r15, 0
        leaq    -8(%rsp), %rsp
        .cfi_adjust_cfa_offset 8
        stmxcsr (%rsp)
        fnstcw  4(%rsp)

        movl    (%rsp), %eax            /* the control words of the old ...  */
        movzwl  4(%rsp), %edx
        leaq    3f(%rip), %rcx
        pushq   %rcx
        .cfi_adjust_cfa_offset 8
        movq    %rsp, (%rdi)            /* here the old stack is suspended   */
        movq    %rsi, %rsp              /* and from here on we are the other */
        popq    %rcx
        .cfi_adjust_cfa_offset -8
        jmp     *%rcx

3:      endbr64
        cmpl    (%rsp), %eax            /* ... and those of the new stack    */
        jne     1f
        cmpw    4(%rsp), %dx
        jne     1f
        .cfi_remember_state
2:      xorl    %eax, %eax
        leaq    8(%rsp), %rsp
        .cfi_adjust_cfa_offset -8
        popq    %r15
        .cfi_adjust_cfa_offset -8
        .cfi_restore r15
        popq    %r14
        .cfi_adjust_cfa_offset -8
        .cfi_restore r14
        popq    %r13
        .cfi_adjust_cfa_offset -8
        .cfi_restore r13
        popq    %r12
        .cfi_adjust_cfa_offset -8
        .cfi_restore r12
        popq    %rbx
        .cfi_adjust_cfa_offset -8
        .cfi_restore rbx
        popq    %rbp
        .cfi_adjust_cfa_offset -8
        .cfi_restore rbp
        .if     \returns
        ret
        .else
        popq    %rcx
        .cfi_adjust_cfa_offset -8
        .cfi_register rip, rcx
        jmp     *%rcx
        .endif

1:      .cfi_restore_state              /* this tail comes before the above */
        ldmxcsr (%rsp)
        fldcw   4(%rsp)
        jmp     2b
        .cfi_endproc
        .size   \name, .-\name
        .endm

        JUMP    glet_jump, 0
        JUMP    glet_jump_alike, 1

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
