//go:build cgo && linux

/*
 * escape_amd64.S - the frame of escape.c, for amd64, System V ABI.
 *
 * Contract
 *
 *   int glet_guard(greenlet_body body, void *arg, void *value, void **result,
 *                  char **exception)            rdi, rsi, rdx, rcx, r8
 *       Returns body(arg, value, result). The unwinder asks glet_guard_personality
 *       about exceptions that leave the body.
 *
 *   glet_guard_landing
 *       Not called: here the unwinder goes on, in the frame of glet_guard, with the
 *       C++ exception, e, in rax. Returns glet_guard_caught(e, exception) in its stead.
 *
 *            high addresses
 *          +----------------------+
 *   +0x08  | return address       |  of the call of glet_guard
 *   +0x00  | exception            |
 *          +----------------------+  <- stack pointer, 16-aligned
 *            low addresses
 */

        .text

        .globl  glet_guard
        .hidden glet_guard
        .type   glet_guard, @function
        .globl  glet_guard_landing
        .hidden glet_guard_landing
        .hidden glet_guard_personality
        .hidden glet_guard_caught
        .p2align 4
glet_guard:
        .cfi_startproc
        .cfi_personality 0x1b, glet_guard_personality   /* its distance, 4 bytes */
        endbr64
        pushq   %r8
        .cfi_adjust_cfa_offset 8
        movq    %rdi, %rax
        movq    %rsi, %rdi
        movq    %rdx, %rsi
        movq    %rcx, %rdx
        call    *%rax
1:      addq    $8, %rsp
        .cfi_remember_state
        .cfi_adjust_cfa_offset -8
        ret
glet_guard_landing:
        .cfi_restore_state
        endbr64
        movq    %rax, %rdi
        movq    (%rsp), %rsi
        call    glet_guard_caught
        jmp     1b
        .cfi_endproc
        .size   glet_guard, .-glet_guard

        .section .note.GNU-stack, "", @progbits
