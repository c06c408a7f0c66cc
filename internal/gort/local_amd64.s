//go:build cgo && linux

#include "textflag.h"

// The thread pointer is the base of segment FS. Go's assembler has no syntax for
// FS with a register offset, so the prefix is spelled as a byte.
// No frames: arguments and results are where ABI0 has them, above the return PC.

// func LoadLocal(offset uintptr) unsafe.Pointer
TEXT ·LoadLocal(SB), NOSPLIT|NOFRAME, $0-16
	MOVQ	offset+0(FP), CX
	BYTE	$0x64			// FS:
	MOVQ	(CX), AX
	MOVQ	AX, ret+8(FP)
	RET

// func StoreLocal(offset uintptr, v unsafe.Pointer)
TEXT ·StoreLocal(SB), NOSPLIT|NOFRAME, $0-16
	MOVQ	offset+0(FP), CX
	MOVQ	v+8(FP), AX
	BYTE	$0x64			// FS:
	MOVQ	AX, (CX)
	RET
