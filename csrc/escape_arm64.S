//go:build cgo && linux

/*
 * escape_arm64.S - the frame of escape.c, for arm64, AAPCS64.
 *
 * Contract
 *
 *   int glet_guard(greenlet_body body, void *arg, void *value, void **result,
 *                  char **exception)            x0, x1, x2, x3, x4
 *       Returns body(arg, value, result). The unwinder asks glet_guard_personality
 *       about exceptions that leave the body.
 *
 *   glet_guard_landing
 *       Not called: here the unwinder goes on, in the frame of glet_guard, with the
 *       C++ exception, e, in x0. Returns glet_guard_caught(e, exception) in its stead.
 *
 *            high addresses
 *          +----------------------+
 *   +0x18  | (padding)            |
 *   +0x10  | exception            |
 *   +0x08  | x30, return address  |  of the call of glet_guard
 *   +0x00  | x29                  |
 *          +----------------------+  <- stack pointer and x29
 *            low addresses
 */

        .text

        .globl  glet_guard
        .hidden glet_guard
        .type   glet_guard, %function
        .globl  glet_guard_landing
        .hidden glet_guard_landing
        .hidden glet_guard_personality
        .hidden glet_guard_caught
        .p2align 4
glet_guard:
        .cfi_startproc
        .cfi_personality 0x1b, glet_guard_personality   /* its distance, 4 bytes */
        hint    #34                     /* bti c */
        stp     x29, x30, [sp, #-32]!
        .cfi_adjust_cfa_offset 32
        .cfi_rel_offset x29, 0
        .cfi_rel_offset x30, 8
        mov     x29, sp
        str     x4, [sp, #16]
        mov     x4, x0
        mov     x0, x1
        mov     x1, x2
        mov     x2, x3
        blr     x4
1:      ldp     x29, x30, [sp], #32
        .cfi_remember_state
        .cfi_adjust_cfa_offset -32
        .cfi_restore x29
        .cfi_restore x30
        ret
glet_guard_landing:
        .cfi_restore_state
        hint    #36                     /* bti j */
        ldr     x1, [sp, #16]
        bl      glet_guard_caught
        b       1b
        .cfi_endproc
        .size   glet_guard, .-glet_guard

        .section .note.GNU-stack, "", %progbits
