//go:build !greenlet_ucontext && cgo && linux

/*
 * switch_riscv64.S - the stack switch for riscv64, the LP64D ABI.
 *
 * Contract
 *
 *   int glet_jump(void *const *to, void **from)        a0, a1
 *       Saves what the ABI calls callee-saved on the present stack, suspends it
 *       in *from, and goes on where the stack *to left off.  Returns 0 when
 *       somebody has switched back; at once if from and to are the same.
 *
 *   int glet_jump_alike(void *const *to, void **from)
 *       On amd64 another function; see there.
 *
 *   glet_swap
 *       The whole of the switch: pushes the address to go on at, stores the stack
 *       pointer in *from, takes *to for the new one, pops the address there and
 *       goes on at it.  What else is on the stack is the business of the code there,
 *       which finds the rounding mode of the stack that stopped in t1.
 *
 *   glet_start
 *       Not called: it is the address at which a fresh stack goes on.
 *       Calls glet_coro_main(self), which does not return.
 *
 * A stack that glet_jump has suspended:
 *
 *            high addresses
 *          +------------------+
 *   +0xd8  | frm              |
 *   +0xd0  | ra               |  return address of the call of glet_jump
 *   +0x70  | s0 to s11        |  s11 is Go's g while Go code runs
 *   +0x10  | fs0 to fs11      |
 *   +0x08  | (padding)        |
 *   +0x00  | return address   |  of the call of glet_swap
 *          +------------------+  <- saved stack pointer
 *            low addresses
 *
 * A fresh one:
 *
 *   +0x18  | self             |
 *   +0x10  | frm              |  its maker's
 *   +0x08  | (padding)        |
 *   +0x00  | glet_start       |
 *          +------------------+  <- saved stack pointer
 *
 *   - gp and tp are the process's and the thread's, and stay as they are.
 *   - Of fcsr the rounding mode, frm, belongs to the coroutine. The rest are flags of
 *     what has happened, which any arithmetic changes, as in MXCSR's case.
 *   - The inline form of coro.h is not there for this CPU, so nobody is suspended
 *     without a look at frm.
 */

#define FRAME 0xd0

        .text

        .globl  glet_jump
        .globl  glet_jump_alike
        .hidden glet_jump
        .hidden glet_jump_alike
        .type   glet_jump, %function
        .type   glet_jump_alike, %function
        .p2align 4
glet_jump:
glet_jump_alike:
        .cfi_startproc
        addi    sp, sp, -FRAME
        .cfi_adjust_cfa_offset FRAME
        fsd     fs0,  0x00(sp)
        fsd     fs1,  0x08(sp)
        fsd     fs2,  0x10(sp)
        fsd     fs3,  0x18(sp)
        fsd     fs4,  0x20(sp)
        fsd     fs5,  0x28(sp)
        fsd     fs6,  0x30(sp)
        fsd     fs7,  0x38(sp)
        fsd     fs8,  0x40(sp)
        fsd     fs9,  0x48(sp)
        fsd     fs10, 0x50(sp)
        fsd     fs11, 0x58(sp)
        sd      s0,   0x60(sp)
        sd      s1,   0x68(sp)
        sd      s2,   0x70(sp)
        sd      s3,   0x78(sp)
        sd      s4,   0x80(sp)
        sd      s5,   0x88(sp)
        sd      s6,   0x90(sp)
        sd      s7,   0x98(sp)
        sd      s8,   0xa0(sp)
        sd      s9,   0xa8(sp)
        sd      s10,  0xb0(sp)
        sd      s11,  0xb8(sp)
        sd      ra,   0xc0(sp)
        .cfi_rel_offset s0, 0x60
        .cfi_rel_offset ra, 0xc0
        frrm    t1
        sd      t1,   0xc8(sp)

        call    glet_swap

        ld      t2,   0xc8(sp)
        beq     t1, t2, 1f
        fsrm    t2
1:      fld     fs0,  0x00(sp)
        fld     fs1,  0x08(sp)
        fld     fs2,  0x10(sp)
        fld     fs3,  0x18(sp)
        fld     fs4,  0x20(sp)
        fld     fs5,  0x28(sp)
        fld     fs6,  0x30(sp)
        fld     fs7,  0x38(sp)
        fld     fs8,  0x40(sp)
        fld     fs9,  0x48(sp)
        fld     fs10, 0x50(sp)
        fld     fs11, 0x58(sp)
        ld      s0,   0x60(sp)
        ld      s1,   0x68(sp)
        ld      s2,   0x70(sp)
        ld      s3,   0x78(sp)
        ld      s4,   0x80(sp)
        ld      s5,   0x88(sp)
        ld      s6,   0x90(sp)
        ld      s7,   0x98(sp)
        ld      s8,   0xa0(sp)
        ld      s9,   0xa8(sp)
        ld      s10,  0xb0(sp)
        ld      s11,  0xb8(sp)
        ld      ra,   0xc0(sp)
        li      a0, 0
        addi    sp, sp, FRAME
        .cfi_adjust_cfa_offset -FRAME
        .cfi_restore s0
        .cfi_restore ra
        ret
        .cfi_endproc
        .size   glet_jump, .-glet_jump

        .type   glet_swap, %function
        .p2align 4
glet_swap:
        .cfi_startproc
        addi    sp, sp, -16
        .cfi_adjust_cfa_offset 16
        sd      ra, 0(sp)
        .cfi_rel_offset ra, 0
        sd      sp, 0(a1)               /* here the old stack is suspended   */
        ld      sp, 0(a0)               /* and from here on we are the other */
        ld      ra, 0(sp)
        addi    sp, sp, 16
        .cfi_adjust_cfa_offset -16
        .cfi_restore ra
        ret
        .cfi_endproc
        .size   glet_swap, .-glet_swap

        .globl  glet_start
        .hidden glet_start
        .type   glet_start, %function
        .p2align 4
glet_start:
        .cfi_startproc
        .cfi_undefined ra               /* no caller: unwinders stop here    */
        ld      t2, 0(sp)
        beq     t1, t2, 1f
        fsrm    t2
1:      ld      a0, 8(sp)               /* self                              */
        li      s0, 0                   /* frame pointer walks end here      */
        call    glet_coro_main
        ebreak
        .cfi_endproc
        .size   glet_start, .-glet_start

        .section .note.GNU-stack, "", %progbits
