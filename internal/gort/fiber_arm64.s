//go:build linux

#include "go_asm.h"
#include "textflag.h"
#include "funcdata.h"

// landing
//
// Contract: as in fiber_amd64.s, with the *arrival in R26 and the goroutine in R28. g is
// in thread-local storage, too, at slot. reentersyscall may spill its arguments into the
// three words above the one at RSP.
TEXT ·landing(SB), NOSPLIT|NOFRAME, $0-0
	MOVD	R26, 40(RSP)
	MOVD	arrival_pc(R26), R0
	MOVD	arrival_sp(R26), R1
	MOVD	arrival_bp(R26), R2
	MOVD	arrival_reentersyscall(R26), R3
	CALL	(R3)
	MOVD	40(RSP), R0
	MOVD	const_gM(g), R8
	MOVD	const_mG0(R8), g
#ifdef const_inTLS
	MRS	TPIDR_EL0, R3
	MOVD	·slot(SB), R4
	MOVD	g, (R3)(R4)
#endif
	MOVD	arrival_cSP(R0), R5
	MOVD	R5, RSP
	MOVD	arrival_land(R0), R3
	CALL	(R3)
	BRK

// nothing
//
// Contract: as in fiber_amd64.s.
TEXT ·nothing(SB), NOSPLIT|NOFRAME, $0-0
	RET

// departure
//
// Contract: as in fiber_amd64.s.
TEXT ·departure(SB), NOSPLIT, $8-0
	NO_LOCAL_POINTERS
	MOVD	·coroswitch(SB), R26
	MOVD	(R26), R1
	MOVD	ZR, R29
	CALL	(R1)
	BRK

// func fiberPCs() (departure, landing, nothing uintptr)
TEXT ·fiberPCs(SB), NOSPLIT|NOFRAME, $0-24
	MOVD	$·departure(SB), R0
	MOVD	R0, departure+0(FP)
	MOVD	$·landing(SB), R0
	MOVD	R0, landing+8(FP)
	MOVD	$·nothing(SB), R0
	MOVD	R0, nothing+16(FP)
	RET
