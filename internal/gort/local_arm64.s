//go:build cgo && linux

#include "textflag.h"

// The thread pointer is TPIDR_EL0.
// No frames: arguments and results are where ABI0 has them, above the saved LR.

// func LoadLocal(offset uintptr) unsafe.Pointer
TEXT ·LoadLocal(SB), NOSPLIT|NOFRAME, $0-16
	MOVD	offset+0(FP), R0
	MRS	TPIDR_EL0, R1
	MOVD	(R1)(R0), R0
	MOVD	R0, ret+8(FP)
	RET

// func StoreLocal(offset uintptr, v unsafe.Pointer)
TEXT ·StoreLocal(SB), NOSPLIT|NOFRAME, $0-16
	MOVD	offset+0(FP), R0
	MOVD	v+8(FP), R2
	MRS	TPIDR_EL0, R1
	MOVD	R2, (R1)(R0)
	RET
