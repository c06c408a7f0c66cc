//go:build cgo && linux

/*
 * uint64_t cgotest_fill(void (*fn)(void *), void *arg, uint64_t pattern)
 *
 *          +---------------------+
 *   +0x18  | rbp rbx r12 .. r15  |  the caller's, 6 words
 *   +0x08  | pattern             |
 *   +0x00  | (alignment)         |
 *          +---------------------+  <- rsp at the call of fn
 *
 * Bits of the result: 0 rbx, 1 rbp, 2 r12, 3 r13, 4 r14, 5 r15, 6 rsp.
 */
        .text
        .globl  cgotest_fill
        .type   cgotest_fill, @function
cgotest_fill:
        endbr64
        pushq   %rbp
        pushq   %rbx
        pushq   %r12
        pushq   %r13
        pushq   %r14
        pushq   %r15
        subq    $24, %rsp
        movq    %rdx, 8(%rsp)
        movq    %rsp, %rax
        movq    %rax, 16(%rsp)
        leaq    1(%rdx), %rbx
        leaq    2(%rdx), %rbp
        leaq    3(%rdx), %r12
        leaq    4(%rdx), %r13
        leaq    5(%rdx), %r14
        leaq    6(%rdx), %r15
        movq    %rdi, %rax
        movq    %rsi, %rdi
        call    *%rax
        movq    8(%rsp), %rdx
        xorl    %eax, %eax
        .macro  check reg, n, bit
        leaq    \n(%rdx), %rcx
        cmpq    %rcx, \reg
        je      1f
        orl     $(1 << \bit), %eax
1:
        .endm
        check   %rbx, 1, 0
        check   %rbp, 2, 1
        check   %r12, 3, 2
        check   %r13, 4, 3
        check   %r14, 5, 4
        check   %r15, 6, 5
        cmpq    %rsp, 16(%rsp)
        je      2f
        orl     $(1 << 6), %eax
2:
        addq    $24, %rsp
        popq    %r15
        popq    %r14
        popq    %r13
        popq    %r12
        popq    %rbx
        popq    %rbp
        ret
        .size   cgotest_fill, .-cgotest_fill
        .section .note.GNU-stack, "", @progbits
