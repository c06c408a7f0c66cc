//go:build cgo && linux

#include "textflag.h"

// The thread pointer is TP.
// No frames: arguments and results are where ABI0 has them, above the saved RA.

// func LoadLocal(offset uintptr) unsafe.Pointer
TEXT ·LoadLocal(SB), NOSPLIT|NOFRAME, $0-16
	MOV	offset+0(FP), X5
	ADD	TP, X5, X5
	MOV	(X5), X5
	MOV	X5, ret+8(FP)
	RET

// func StoreLocal(offset uintptr, v unsafe.Pointer)
TEXT ·StoreLocal(SB), NOSPLIT|NOFRAME, $0-16
	MOV	offset+0(FP), X5
	MOV	v+8(FP), X6
	ADD	TP, X5, X5
	MOV	X6, (X5)
	RET
