//go:build !greenlet_ucontext && cgo && linux

/*
 * switch_arm64.S - the stack switch for arm64, AAPCS64.
 *
 * Contract
 *
 *   int glet_jump(void *const *to, void **from)        x0, x1
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
 *       goes on at it with a `ret`, which needs no landing pad.  What else is on the
 *       stack is the business of the code there, which finds the FPCR of the stack
 *       that stopped in x9, or all ones, which no FPCR is, if nobody has looked at
 *       it.  The inline form in coro.h keeps to the same rule.
 *
 *   glet_start
 *       Not called: it is the address at which a fresh stack goes on.
 *       Calls glet_coro_main(self), which does not return.
 *
 * A stack that glet_jump has suspended:
 *
 *            high addresses
 *          +------------------+
 *   +0xb8  | (padding)        |
 *   +0xb0  | FPCR             |
 *   +0xa0  | x29, x30         |  x30: return address of the call of glet_jump
 *   +0x90  | x27, x28         |  x28 is Go's g while Go code runs
 *   +0x80  | x25, x26         |
 *   +0x70  | x23, x24         |
 *   +0x60  | x21, x22         |
 *   +0x50  | x19, x20         |
 *   +0x40  | d14, d15         |  only the low halves of v8-v15 are
 *   +0x30  | d12, d13         |  callee-saved
 *   +0x20  | d10, d11         |
 *   +0x10  | d8, d9           |
 *   +0x08  | (padding)        |
 *   +0x00  | return address   |  of the call of glet_swap
 *          +------------------+  <- saved stack pointer
 *            low addresses
 *
 * A fresh one:
 *
 *   +0x18  | self             |
 *   +0x10  | FPCR             |  its maker's
 *   +0x08  | (padding)        |
 *   +0x00  | glet_start       |
 *          +------------------+  <- saved stack pointer
 *
 *   - It ends with `ret`.  What is better on amd64 was measured there; nobody has
 *     measured it here, for want of a machine.
 *   - FPCR is written only when it differs: writing it is slow.
 */

#define FRAME 0xb0

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
        /* On entry: x0 = to, x1 = from, x30 = return address. x2 to x17 may be changed. */
        hint    #34                     /* bti c: an indirect branch may come here */
        sub     sp, sp, #FRAME
        .cfi_adjust_cfa_offset FRAME
        stp     d8,  d9,  [sp, #0x00]   /* what AAPCS64 calls callee-saved */
        stp     d10, d11, [sp, #0x10]
        stp     d12, d13, [sp, #0x20]
        stp     d14, d15, [sp, #0x30]
        stp     x19, x20, [sp, #0x40]
        stp     x21, x22, [sp, #0x50]
        stp     x23, x24, [sp, #0x60]
        stp     x25, x26, [sp, #0x70]
        stp     x27, x28, [sp, #0x80]
        stp     x29, x30, [sp, #0x90]
        .cfi_rel_offset x29, 0x90
        .cfi_rel_offset x30, 0x98
        mrs     x9, fpcr
        str     x9, [sp, #0xa0]

        bl      glet_swap

        /* Here: sp as we left it, x9 = the FPCR of who has stopped, or all ones. */
        ldr     x10, [sp, #0xa0]
        cmp     x9, x10
        b.ne    1f                      /* writing FPCR is slow, so only if it differs */
2:      ldp     d8,  d9,  [sp, #0x00]
        ldp     d10, d11, [sp, #0x10]
        ldp     d12, d13, [sp, #0x20]
        ldp     d14, d15, [sp, #0x30]
        ldp     x19, x20, [sp, #0x40]
        ldp     x21, x22, [sp, #0x50]
        ldp     x23, x24, [sp, #0x60]
        ldp     x25, x26, [sp, #0x70]
        ldp     x27, x28, [sp, #0x80]
        ldp     x29, x30, [sp, #0x90]
        mov     w0, #0
        add     sp, sp, #FRAME
        .cfi_adjust_cfa_offset -FRAME
        ret

1:      .cfi_adjust_cfa_offset FRAME
        msr     fpcr, x10
        b       2b
        .cfi_endproc
        .size   glet_jump, .-glet_jump

        .type   glet_swap, %function
        .p2align 4
glet_swap:
        .cfi_startproc
        /* On entry: x0 = to, x1 = from, x9 = FPCR, x30 = where we are gone on with. */
        str     x30, [sp, #-16]!        /* 16, since sp stays aligned to that */
        .cfi_adjust_cfa_offset 16
        .cfi_rel_offset x30, 0
        mov     x10, sp
        str     x10, [x1]               /* here the old stack is suspended   */
        ldr     x10, [x0]
        mov     sp, x10                 /* and from here on we are the other */
        ldr     x30, [sp], #16
        .cfi_adjust_cfa_offset -16
        .cfi_restore x30
        ret
        .cfi_endproc
        .size   glet_swap, .-glet_swap

        .globl  glet_start
        .hidden glet_start
        .type   glet_start, %function
        .p2align 4
glet_start:
        .cfi_startproc
        .cfi_undefined x30              /* no caller: unwinders stop here    */
        /* On entry: x9 as above; sp points at the maker's FPCR, +0x10 in the picture. */
        ldr     x10, [sp]
        cmp     x9, x10
        b.eq    1f
        msr     fpcr, x10
1:      ldr     x0, [sp, #8]            /* self                              */
        mov     x29, #0                 /* frame pointer walks end here      */
        bl      glet_coro_main
        brk     #1
        .cfi_endproc
        .size   glet_start, .-glet_start

        .section .note.GNU-stack, "", %progbits
