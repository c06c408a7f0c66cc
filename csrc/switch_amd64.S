//go:build !greenlet_ucontext

/*
 * switch_amd64.S - the stack switch for amd64, System V ABI.
 *
 * Contract
 *
 *   void glet_jump(void **from, void *to)       rdi, rsi
 *       Saves what the ABI calls callee-saved on the present stack, suspends it
 *       in *from, and goes on where the stack `to` left off.  Everything else may
 *       change, as at any call.
 *
 *   glet_swap
 *       The whole of the switch: stores the stack pointer in *from, takes `to` for
 *       the new one, and returns there.  So all that it asks of a suspended stack
 *       is that the saved stack pointer points at an address to go on at.  What
 *       else is on the stack is the business of the code there.  That code finds
 *       the control words of the stack that stopped in eax (MXCSR) and dx (x87).
 *       Go's assembly (internal/gort/switch_amd64.s) keeps to the same rule.
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
 *   +0x00  | return address       |  of the call of glet_swap
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
 *   - It ends with `ret`, where others (boost.context, corosensei) end with an
 *     indirect jump, since a `ret` to another stack is mispredicted. Here it is
 *     not: glet_swap has one caller, and glet_jump, too, so the address that the
 *     return predictor remembers from our own call is the one that the other stack
 *     has, too. And it keeps the predictor in step for the frames above, which are
 *     the same on all stacks down to whoever asked for the switch. A jump would
 *     leave it one entry off, and each of those returns would be mispredicted.
 *   - The control words are stored always, which is cheap, but loaded only when
 *     they differ from the present ones, since ldmxcsr and fldcw are not.
 *   - endbr64 is for places entered by an indirect branch.  No Go executable has
 *     the shadow stack property, so there is no shadow stack to switch.
 */

        .text

        .globl  glet_jump
        .hidden glet_jump
        .type   glet_jump, @function
        .p2align 4
glet_jump:
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
        call    glet_swap
        cmpl    (%rsp), %eax            /* ... and those of the new stack    */
        jne     1f
        cmpw    4(%rsp), %dx
        jne     1f
        .cfi_remember_state
2:      leaq    8(%rsp), %rsp
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
        ret

1:      .cfi_restore_state              /* this tail comes before the above */
        ldmxcsr (%rsp)
        fldcw   4(%rsp)
        jmp     2b
        .cfi_endproc
        .size   glet_jump, .-glet_jump

        .type   glet_swap, @function
        .p2align 4
glet_swap:
        .cfi_startproc
        movq    %rsp, (%rdi)            /* here the old stack is suspended   */
        movq    %rsi, %rsp              /* and from here on we are the other */
        ret
        .cfi_endproc
        .size   glet_swap, .-glet_swap

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
