//go:build linux

#include "go_asm.h"
#include "textflag.h"
#include "funcdata.h"

// landing
//
// Contract: runtime.gogo jumps here, on the stack of a fiber's goroutine in which C has
// prepared g.sched, below all that is in use there, with 64 bytes of room above SP.
//
//	DX	*arrival, in C's memory
//	R14	the goroutine, which runs, and is to be in the system call again in which it was
//
// It does not return: it calls arrival.land in C, on the C stack at arrival.cSP, with the
// *arrival, and as the M's g0, as C is called in a system call.
//
// runtime.reentersyscall(pc, sp, bp) is called by the internal ABI. It may spill its
// arguments into the three words above its return address.
TEXT ·landing(SB), NOSPLIT|NOFRAME, $0-0
	MOVQ	DX, 32(SP)
	MOVQ	arrival_pc(DX), AX
	MOVQ	arrival_sp(DX), BX
	MOVQ	arrival_bp(DX), CX
	MOVQ	arrival_reentersyscall(DX), R12
	XORPS	X15, X15
	CALL	R12
	MOVQ	32(SP), DI
	MOVQ	const_gM(R14), R8
	MOVQ	const_mG0(R8), R8
	MOVQ	TLS, CX
	MOVQ	R8, 0(CX)(TLS*1)
	MOVQ	arrival_cSP(DI), SP
	MOVQ	arrival_land(DI), AX
	CALL	AX
	INT	$3

// nothing
//
// Contract: a func(unsafe.Pointer) by the internal ABI that does nothing. A call of it
// from C ends a system call and begins one, and sees what the runtime wants meanwhile.
TEXT ·nothing(SB), NOSPLIT|NOFRAME, $0-0
	RET

// departure
//
// Contract: a func(*coro) by the internal ABI that calls runtime.coroswitch and does not
// return: landing takes it back. C calls it (enter_go in fiber_onem.c), and until then the
// goroutine waits with frames of C below, where its frame pointers must not lead the tracer.
// So their chain ends here, as in coroswitchInC.
TEXT ·departure(SB), NOSPLIT, $8-0
	NO_LOCAL_POINTERS
	MOVQ	·coroswitch(SB), DX
	MOVQ	(DX), CX
	XORL	BP, BP
	CALL	CX
	INT	$3

// func fiberPCs() (departure, landing, nothing uintptr)
TEXT ·fiberPCs(SB), NOSPLIT|NOFRAME, $0-24
	LEAQ	·departure(SB), AX
	MOVQ	AX, departure+0(FP)
	LEAQ	·landing(SB), AX
	MOVQ	AX, landing+8(FP)
	LEAQ	·nothing(SB), AX
	MOVQ	AX, nothing+16(FP)
	RET
