//go:build cgo && linux

/*
 * uint64_t cgotest_fill(void (*fn)(void *), void *arg, uint64_t pattern)
 *
 *          +---------------------+
 *   +0xb0  | pattern             |
 *   +0x70  | d8 .. d15           |  the caller's
 *   +0x60  | x19 is at +0x10 ..  |
 *   +0x10  | x19 .. x28          |  the caller's
 *   +0x00  | x29 x30             |
 *          +---------------------+  <- sp at the call of fn
 *
 * Bits of the result: 0-9 x19 to x28, 10 x29, 11-18 d8 to d15.
 */
        .text
        .globl  cgotest_fill
        .type   cgotest_fill, %function
cgotest_fill:
        stp     x29, x30, [sp, #-0xc0]!
        stp     x19, x20, [sp, #0x10]
        stp     x21, x22, [sp, #0x20]
        stp     x23, x24, [sp, #0x30]
        stp     x25, x26, [sp, #0x40]
        stp     x27, x28, [sp, #0x50]
        stp     d8,  d9,  [sp, #0x70]
        stp     d10, d11, [sp, #0x80]
        stp     d12, d13, [sp, #0x90]
        stp     d14, d15, [sp, #0xa0]
        str     x2, [sp, #0xb0]
        .irp    n, 19,20,21,22,23,24,25,26,27,28,29
        add     x\n, x2, #\n
        .endr
        .irp    n, 8,9,10,11,12,13,14,15
        add     x9, x2, #(32 + \n)
        fmov    d\n, x9
        .endr
        mov     x9, x0
        mov     x0, x1
        blr     x9
        ldr     x2, [sp, #0xb0]
        mov     x0, #0
        .irp    n, 19,20,21,22,23,24,25,26,27,28,29
        add     x9, x2, #\n
        cmp     x9, x\n
        cset    x10, ne
        orr     x0, x0, x10, lsl #(\n - 19)
        .endr
        .irp    n, 8,9,10,11,12,13,14,15
        add     x9, x2, #(32 + \n)
        fmov    x11, d\n
        cmp     x9, x11
        cset    x10, ne
        orr     x0, x0, x10, lsl #(\n + 3)
        .endr
        ldp     x19, x20, [sp, #0x10]
        ldp     x21, x22, [sp, #0x20]
        ldp     x23, x24, [sp, #0x30]
        ldp     x25, x26, [sp, #0x40]
        ldp     x27, x28, [sp, #0x50]
        ldp     d8,  d9,  [sp, #0x70]
        ldp     d10, d11, [sp, #0x80]
        ldp     d12, d13, [sp, #0x90]
        ldp     d14, d15, [sp, #0xa0]
        ldp     x29, x30, [sp], #0xc0
        ret
        .size   cgotest_fill, .-cgotest_fill
        .section .note.GNU-stack, "", %progbits
