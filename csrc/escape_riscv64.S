//go:build cgo && linux

/*
 * escape_riscv64.S - the frame of escape.c, for riscv64, the LP64D ABI.
 *
 * Contract
 *
 *   int glet_guard(greenlet_body body, void *arg, void *value, void **result,
 *                  char **exception)            a0, a1, a2, a3, a4
 *       Returns body(arg, value, result). The unwinder asks glet_guard_personality
 *       about exceptions that leave the body.
 *
 *   glet_guard_landing
 *       Not called: here the unwinder goes on, in the frame of glet_guard, with the
 *       C++ exception, e, in a0. Returns glet_guard_caught(e, exception) in its stead.
 *
 *            high addresses
 *          +----------------------+
 *   +0x18  | ra, return address   |  of the call of glet_guard
 *   +0x10  | s0                   |
 *   +0x08  | (padding)            |
 *   +0x00  | exception            |
 *          +----------------------+  <- stack pointer; s0 is above the frame
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
        addi    sp, sp, -32
        .cfi_adjust_cfa_offset 32
        sd      ra, 24(sp)
        sd      s0, 16(sp)
        .cfi_rel_offset ra, 24
        .cfi_rel_offset s0, 16
        addi    s0, sp, 32
        sd      a4, 0(sp)
        mv      t1, a0
        mv      a0, a1
        mv      a1, a2
        mv      a2, a3
        jalr    t1
1:      ld      ra, 24(sp)
        ld      s0, 16(sp)
        addi    sp, sp, 32
        .cfi_remember_state
        .cfi_adjust_cfa_offset -32
        .cfi_restore ra
        .cfi_restore s0
        ret
glet_guard_landing:
        .cfi_restore_state
        ld      a1, 0(sp)
        call    glet_guard_caught
        j       1b
        .cfi_endproc
        .size   glet_guard, .-glet_guard

        .section .note.GNU-stack, "", %progbits
