#include "textflag.h"

// func getg() uintptr
//
// R14 is g in ABIInternal (cmd/compile/abi-internal.md), and the wrapper through
// which Go calls this leaves it alone.
TEXT ·getg(SB), NOSPLIT|NOFRAME, $0-8
	MOVQ	R14, ret+0(FP)
	RET
