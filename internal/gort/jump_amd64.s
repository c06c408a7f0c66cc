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
// A stack that it has suspended; see csrc/switch_amd64.S for what the two sides
// agree on, which is the lowest word, and EAX and DX across the swap:
//
//	         high addresses
//	       +----------------------+
//	+0x28  | to                   |
//	+0x20  | from                 |  arguments
//	+0x18  | return address       |  into Switch
//	+0x10  | BP                   |
//	+0x08  | MXCSR | x87 CW | 0   |  4 + 2 + 2 bytes
//	+0x00  | return address       |  of the call of swap
//	       +----------------------+  <- saved stack pointer
//	         low addresses
//
// Go has no callee-saved registers, but for BP and R14, which is g. Between the
// store of g and the swap, a signal handler finds the g of the one stack and the
// SP of the other. It returns to both as they are; a profile's traceback, which
// reads frames upwards from SP, finds those of the stack that stops.

// func jump(from, to unsafe.Pointer) bool
TEXT ·jump(SB), NOSPLIT, $8-17
	MOVQ	from+0(FP), DI
	MOVQ	to+8(FP), SI
	MOVQ	nativeCoro_word(SI), R10
	TESTQ	R10, R10
	JZ	refuse
	MOVLQZX	·layout+Layout_GM(SB), R8
	MOVQ	(R14)(R8*1), R9		// our M
	MOVQ	(R10)(R8*1), R10	// the other one
	MOVLQZX	·layout+Layout_MProfilehz(SB), R8
	CMPL	(R9)(R8*1), $0
	JNE	profile
ready:
	MOVQ	nativeCoro_owner(DI), CX
	MOVQ	coroThread_exceptions(CX), R8
	TESTQ	R8, R8
	JNZ	exceptions
none:
	// As hand_over in csrc/go.c, which says why.
	CMPL	·mode(SB), $const_Attached
	JNE	oldp
	MOVLQZX	·layout+Layout_MP(SB), R8
	CMPQ	(R10)(R8*1), $0
	JNE	handed			// it has kept one
	MOVLQZX	·layout+Layout_GStatus(SB), R11
	ADDQ	R14, R11
	MOVL	$const_gSyscall, AX
	MOVL	$const_gScanSyscall, CX
	LOCK
	CMPXCHGL	CX, (R11)
	JNE	handed			// the P is being taken away
	MOVQ	(R9)(R8*1), AX
	TESTQ	AX, AX
	JZ	release
	MOVQ	$0, (R9)(R8*1)
	MOVLQZX	·layout+Layout_PM(SB), R12
	MOVQ	R10, (AX)(R12*1)
	MOVQ	AX, (R10)(R8*1)
release:
	MOVL	$const_gSyscall, (R11)
	JMP	handed
oldp:
	MOVLQZX	·layout+Layout_MOldp(SB), R8
	MOVQ	(R9)(R8*1), AX
	MOVQ	AX, (R10)(R8*1)

handed:
	MOVQ	R14, nativeCoro_word(DI)
	MOVQ	nativeCoro_owner(DI), CX
	MOVQ	SI, coroThread_current(CX)
	MOVQ	nativeCoro_word(SI), R10
	MOVQ	TLS, CX
	MOVQ	R10, 0(CX)(TLS*1)	// g, for C and for signal handlers
	STMXCSR	0(SP)
	FSTCW	4(SP)
	MOVL	0(SP), AX
	MOVWLZX	4(SP), DX
	CALL	swap<>(SB)
	CMPL	AX, 0(SP)		// DI, SI: those of whoever went on here
	JNE	control
	CMPW	DX, 4(SP)
	JNE	control
back:
	MOVQ	from+0(FP), DI
	MOVQ	nativeCoro_word(DI), R14

	// A preemption signal for us may have come while others ran, who did not clear
	// our flag: then no other would ever be sent. So it has come now.
	MOVLQZX	·layout+Layout_GM(SB), R8
	MOVQ	(R14)(R8*1), R9
	MOVLQZX	·layout+Layout_MSignalPending(SB), R8
	CMPL	(R9)(R8*1), $0
	JNE	signal
	MOVB	$1, ret+16(FP)
	RET

signal:				// as doSigPreempt (signal_unix.go)
	MOVLQZX	·layout+Layout_MPreemptGen(SB), R11
	LOCK
	INCL	(R9)(R11*1)
	MOVL	$0, (R9)(R8*1)
	MOVB	$1, ret+16(FP)
	RET
control:
	LDMXCSR	0(SP)
	FLDCW	4(SP)
	JMP	back
profile:
	MOVLQZX	·layout+Layout_MProfileTimerValid(SB), R8
	CMPB	(R9)(R8*1), $0
	JEQ	ready
refuse:
	MOVB	$0, ret+16(FP)
	RET
exceptions:			// as must_swap_exceptions in csrc/coro.c
	MOVQ	coroThread_handling(CX), AX
	ORQ	0(R8), AX
	MOVL	8(R8), R8
	ORQ	R8, AX
	JZ	none
	JMP	refuse

// swap(from, to *nativeCoro), in DI and SI: the switch itself.
TEXT swap<>(SB), NOSPLIT|NOFRAME, $0
	MOVQ	SP, nativeCoro_sp(DI)
	MOVQ	nativeCoro_sp(SI), SP
	RET
