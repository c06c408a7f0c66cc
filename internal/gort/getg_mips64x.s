//go:build mips64 || mips64le

#include "textflag.h"

// func getg() uintptr
//
// The assembler has a name for the register.
TEXT ·getg(SB), NOSPLIT|NOFRAME, $0-8
	MOVV	g, ret+0(FP)
	RET
