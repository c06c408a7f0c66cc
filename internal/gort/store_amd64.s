#include "textflag.h"

// func StoreRelease(p *uint64, v uint64)
//
// On amd64 every store is a release. (An atomic store of Go's is sequentially
// consistent: an XCHG, which costs more than the rest of a stack switch.)
TEXT ·StoreRelease(SB), NOSPLIT|NOFRAME, $0-16
	MOVQ	p+0(FP), AX
	MOVQ	v+8(FP), CX
	MOVQ	CX, (AX)
	RET
