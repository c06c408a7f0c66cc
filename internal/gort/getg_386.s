#include "textflag.h"

// func getg() uintptr
//
// TLS is the assembler's name for g's place.
TEXT ·getg(SB), NOSPLIT, $0-4
	MOVL	TLS, CX
	MOVL	0(CX)(TLS*1), AX
	MOVL	AX, ret+0(FP)
	RET
