//go:build !greenlet_ucontext

/*
 * switch_amd64.S - the stack switch for amd64, System V ABI.
 *
 * Contract
 *
 *   void glet_jump(void **from, void *to)       rdi, rsi
 *       Saves what the ABI calls callee-saved on the present stack, stores the
 *       stack pointer in *from, takes `to` for the new one, restores from it
 *       and goes on where that stack left off.  Everything else may change, as
 *       at any call.
 *
 *   glet_start
 *       Not called: it is the address at which a fresh stack "left off".
 *       Calls glet_coro_main(self), which does not return.
 *
 * A suspended stack; the saved stack pointer points at its lowest word:
 *
 *            high addresses
 *          +----------------------+
 *   +0x38  | return address       |  of the call of glet_jump; fresh: glet_start
 *   +0x30  | rbp                  |  fresh: 0, so frame pointer walks end here
 *   +0x28  | rbx                  |
 *   +0x20  | r12                  |  fresh: self
 *   +0x18  | r13                  |
 *   +0x10  | r14                  |
 *   +0x08  | r15                  |
 *   +0x00  | MXCSR | x87 CW | 0   |  4 + 2 + 2 bytes
 *          +----------------------+  <- saved stack pointer
 *            low addresses
 *
 * Three odd choices:
 *
 *   - It ends with `ret`, where others (boost.context, corosensei) end with an
 *     indirect jump, since a `ret` to another stack is mispredicted. Here it is
 *     not: glet_jump has one caller, so the address that the return predictor
 *     remembers from our own call is the one that the other stack has, too. And it
 *     keeps the predictor in step for the frames above, which are the same on all
 *     stacks down to whoever asked for the switch. A jump would leave it one
 *     entry off, and each of those returns would be mispredicted.
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
        pushq   %rbx
        .cfi_adjust_cfa_offset 8
        pushq   %r12
        .cfi_adjust_cfa_offset 8
        pushq   %r13
        .cfi_adjust_cfa_offset 8
        pushq   %r14
        .cfi_adjust_cfa_offset 8
        pushq   %r15
        .cfi_adjust_cfa_offset 8
        leaq    -8(%rsp), %rsp
        .cfi_adjust_cfa_offset 8
        stmxcsr (%rsp)
        fnstcw  4(%rsp)

        movl    (%rsp), %eax            /* the control words of the old ...  */
        movzwl  4(%rsp), %edx
        movq    %rsp, (%rdi)            /* here the old stack is suspended   */
        movq    %rsi, %rsp              /* and from here on we are the other */

        cmpl    (%rsp), %eax            /* ... and those of the new stack    */
        jne     1f
        cmpw    4(%rsp), %dx
        jne     1f
2:      leaq    8(%rsp), %rsp
        .cfi_adjust_cfa_offset -8
        popq    %r15
        .cfi_adjust_cfa_offset -8
        popq    %r14
        .cfi_adjust_cfa_offset -8
        popq    %r13
        .cfi_adjust_cfa_offset -8
        popq    %r12
        .cfi_adjust_cfa_offset -8
        popq    %rbx
        .cfi_adjust_cfa_offset -8
        popq    %rbp
        .cfi_adjust_cfa_offset -8
        ret

1:      .cfi_adjust_cfa_offset 56       /* undo the above for this tail      */
        ldmxcsr (%rsp)
        fldcw   4(%rsp)
        jmp     2b
        .cfi_endproc
        .size   glet_jump, .-glet_jump

        .globl  glet_start
        .hidden glet_start
        .type   glet_start, @function
        .p2align 4
glet_start:
        .cfi_startproc
        .cfi_undefined rip              /* no caller: unwinders stop here    */
        endbr64
        movq    %r12, %rdi              /* self                              */
        call    glet_coro_main          /* the stack is 16-aligned here      */
        ud2
        .cfi_endproc
        .size   glet_start, .-glet_start

        .section .note.GNU-stack, "", @progbits
