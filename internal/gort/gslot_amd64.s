//go:build cgo && linux

#include "textflag.h"

// func gslot() int
//
// TLS is the assembler's name for g's place. The long form works in every build
// mode: an offset known to the linker (exe), or one read from the GOT (pie,
// c-shared). A LEA knows no segments, so what it yields is the bare offset.
TEXT ·gslot(SB), NOSPLIT|NOFRAME, $0-8
	MOVQ	TLS, CX
	LEAQ	0(CX)(TLS*1), AX
	MOVQ	AX, ret+0(FP)
	RET
