#include "go_asm.h"
#include "textflag.h"

// The switch from Go, without leaving the goroutine's stack.
//
// Contract
//
//	func jump(from, to unsafe.Pointer) bool
//		Called between entersyscall and exitsyscall. Hands the P over, suspends
//		the goroutine's stack as the place where `from` goes on, and goes on where
//		`to` left off: in the same place of another goroutine's stack, or in C's
//		glet_jump. Returns true when somebody has switched back. False: `to` has
//		never run, or the M has a profile timer to be deleted, or C++ exceptions are
//		being handled; that is C's business, and nothing has been touched.
//
// A stack that it has suspended; see csrc/switch_arm64.S for what the two sides
// agree on, which is the lowest word, and R9 across the swap:
//
//	         high addresses
//	       +------------------+
//	+0x30  | to               |
//	+0x28  | from             |  arguments
//	+0x20  | (return address) |  the caller's place for one
//	+0x18  | FPCR             |
//	+0x10  | return address   |  into Switch
//	+0x08  | (padding)        |  Go keeps R29 in the word below the return address
//	+0x00  | return address   |  of the call of swap
//	       +------------------+  <- saved stack pointer
//	         low addresses
//
// Go has no callee-saved registers, but for R29 and R28, which is g. Between the
// store of g and the swap, a signal handler finds the g of the one stack and the
// SP of the other. It returns to both as they are; a profile's traceback, which
// reads frames upwards from SP, finds those of the stack that stops.

// func jump(from, to unsafe.Pointer) bool
TEXT ·jump(SB), NOSPLIT, $8-17
	MOVD	from+0(FP), R0
	MOVD	to+8(FP), R1
	MOVD	nativeCoro_word(R1), R10
	CBZ	R10, refuse
	MOVWU	·layout+Layout_GM(SB), R2
	MOVD	(g)(R2), R3		// our M
	MOVD	(R10)(R2), R10		// the other one
	MOVWU	·layout+Layout_MProfilehz(SB), R2
	MOVWU	(R3)(R2), R4
	CBNZ	R4, profile
ready:
	MOVD	nativeCoro_owner(R0), R2
	MOVD	coroThread_exceptions(R2), R4
	CBNZ	R4, exceptions
none:
	// As hand_over in csrc/go.c, which says why.
	MOVW	·mode(SB), R4
	CMPW	$const_Attached, R4
	BNE	oldp
	MOVWU	·layout+Layout_MP(SB), R2
	ADD	R2, R3, R4		// &ours.p
	ADD	R2, R10, R5		// &other.p
	MOVD	(R5), R6
	CBNZ	R6, handed		// it has kept one
	MOVWU	·layout+Layout_GStatus(SB), R6
	ADD	g, R6
	MOVW	$const_gScanSyscall, R7
cas:
	LDAXRW	(R6), R8
	CMPW	$const_gSyscall, R8
	BNE	handed			// the P is being taken away
	STLXRW	R7, (R6), R11
	CBNZW	R11, cas
	MOVD	(R4), R8
	CBZ	R8, release
	MOVD	ZR, (R4)
	MOVWU	·layout+Layout_PM(SB), R11
	ADD	R8, R11
	MOVD	R10, (R11)
	STLR	R8, (R5)
release:
	MOVW	$const_gSyscall, R7
	STLRW	R7, (R6)
	JMP	handed
oldp:
	MOVWU	·layout+Layout_MOldp(SB), R2
	MOVD	(R3)(R2), R4
	MOVD	R4, (R10)(R2)

handed:
	MOVD	g, nativeCoro_word(R0)
	MOVD	nativeCoro_owner(R0), R2
	MOVD	R1, coroThread_current(R2)
	MOVD	nativeCoro_word(R1), R10
	MRS	TPIDR_EL0, R2
	MOVD	·slot(SB), R4
	MOVD	R10, (R2)(R4)		// g, for C and for signal handlers
	MOVD	FPCR, R9
	MOVD	R9, 8(RSP)
	CALL	swap<>(SB)
	MOVD	8(RSP), R10
	CMP	R9, R10
	BEQ	back
	MOVD	R10, FPCR
back:
	MOVD	from+0(FP), R0
	MOVD	nativeCoro_word(R0), g

	// A preemption signal for us may have come while others ran, who did not clear
	// our flag: then no other would ever be sent. So it has come now.
	MOVWU	·layout+Layout_GM(SB), R2
	MOVD	(g)(R2), R3
	MOVWU	·layout+Layout_MSignalPending(SB), R2
	ADD	R2, R3
	MOVWU	(R3), R4
	CBNZW	R4, signal
done:
	MOVD	$1, R4
	MOVB	R4, ret+16(FP)
	RET
signal:				// as doSigPreempt (signal_unix.go)
	MOVWU	·layout+Layout_MPreemptGen(SB), R2
	MOVWU	·layout+Layout_GM(SB), R4
	MOVD	(g)(R4), R4
	ADD	R2, R4
count:
	LDAXRW	(R4), R5
	ADDW	$1, R5
	STLXRW	R5, (R4), R6
	CBNZW	R6, count
	STLRW	ZR, (R3)
	JMP	done
profile:
	MOVWU	·layout+Layout_MProfileTimerValid(SB), R2
	MOVBU	(R3)(R2), R4
	CBZ	R4, ready
refuse:
	MOVB	ZR, ret+16(FP)
	RET
exceptions:			// as must_swap_exceptions in csrc/coro.c
	MOVD	coroThread_handling(R2), R5
	MOVD	0(R4), R6
	ORR	R6, R5
	MOVWU	8(R4), R6
	ORR	R6, R5
	CBZ	R5, none
	JMP	refuse

// swap(from, to *nativeCoro), in R0 and R1: the counterpart of glet_swap.
TEXT swap<>(SB), NOSPLIT|NOFRAME, $0
	MOVD.W	R30, -16(RSP)
	MOVD	RSP, R10
	MOVD	R10, nativeCoro_sp(R0)
	MOVD	nativeCoro_sp(R1), R10
	MOVD	R10, RSP
	MOVD.P	16(RSP), R30
	RET
