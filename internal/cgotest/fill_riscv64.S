//go:build cgo && linux

/*
 * uint64_t cgotest_fill(void (*fn)(void *), void *arg, uint64_t pattern)
 *
 *          +---------------------+
 *   +0xd0  | pattern             |
 *   +0xc8  | ra                  |
 *   +0x60  | s0 .. s11           |  the caller's
 *   +0x00  | fs0 .. fs11         |  the caller's
 *          +---------------------+  <- sp at the call of fn
 *
 * Bits of the result: 0-11 s0 to s11, 12-23 fs0 to fs11.
 */
        .text
        .globl  cgotest_fill
        .type   cgotest_fill, %function
cgotest_fill:
        addi    sp, sp, -0xe0
        .irp    n, 0,1,2,3,4,5,6,7,8,9,10,11
        fsd     fs\n, (8 * \n)(sp)
        sd      s\n, (0x60 + 8 * \n)(sp)
        .endr
        sd      ra, 0xc8(sp)
        sd      a2, 0xd0(sp)
        .irp    n, 0,1,2,3,4,5,6,7,8,9,10,11
        addi    s\n, a2, (1 + \n)
        addi    t0, a2, (32 + \n)
        fmv.d.x fs\n, t0
        .endr
        mv      t0, a0
        mv      a0, a1
        jalr    t0
        ld      a2, 0xd0(sp)
        li      a0, 0
        .irp    n, 0,1,2,3,4,5,6,7,8,9,10,11
        addi    t0, a2, (1 + \n)
        sub     t0, t0, s\n
        snez    t0, t0
        slli    t0, t0, \n
        or      a0, a0, t0
        addi    t0, a2, (32 + \n)
        fmv.x.d t1, fs\n
        sub     t0, t0, t1
        snez    t0, t0
        slli    t0, t0, (12 + \n)
        or      a0, a0, t0
        .endr
        .irp    n, 0,1,2,3,4,5,6,7,8,9,10,11
        fld     fs\n, (8 * \n)(sp)
        ld      s\n, (0x60 + 8 * \n)(sp)
        .endr
        ld      ra, 0xc8(sp)
        addi    sp, sp, 0xe0
        ret
        .size   cgotest_fill, .-cgotest_fill
        .section .note.GNU-stack, "", %progbits
