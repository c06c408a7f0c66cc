//go:build linux

#include "go_asm.h"
#include "textflag.h"
#include "funcdata.h"

// landing
//
// Contract: as in fiber_amd64.s, with the *arrival in X26 and the goroutine in X27. g is
// in thread-local storage, too, at slot. reentersyscall may spill its arguments into the
// three words above the one at SP.
TEXT ·landing(SB), NOSPLIT|NOFRAME, $0-0
	MOV	X26, 40(X2)
	MOV	arrival_pc(X26), X10
	MOV	arrival_sp(X26), X11
	MOV	arrival_bp(X26), X12
	MOV	arrival_reentersyscall(X26), X13
	JALR	RA, X13
	MOV	40(X2), X10
	MOV	const_gM(g), X8
	MOV	const_mG0(X8), g
#ifdef const_inTLS
	MOV	·slot(SB), X5
	ADD	TP, X5, X5
	MOV	g, (X5)
#endif
	MOV	arrival_cSP(X10), X2
	MOV	arrival_land(X10), X5
	JALR	RA, X5
	EBREAK

// nothing
//
// Contract: as in fiber_amd64.s.
TEXT ·nothing(SB), NOSPLIT|NOFRAME, $0-0
	RET

// departure
//
// Contract: as in fiber_amd64.s. There are no frame pointers to cut.
TEXT ·departure(SB), NOSPLIT, $8-0
	NO_LOCAL_POINTERS
	MOV	·coroswitch(SB), X26
	MOV	(X26), X5
	JALR	RA, X5
	EBREAK

// func fiberPCs() (departure, landing, nothing uintptr)
TEXT ·fiberPCs(SB), NOSPLIT|NOFRAME, $0-24
	MOV	$·departure(SB), X5
	MOV	X5, departure+0(FP)
	MOV	$·landing(SB), X5
	MOV	X5, landing+8(FP)
	MOV	$·nothing(SB), X5
	MOV	X5, nothing+16(FP)
	RET
