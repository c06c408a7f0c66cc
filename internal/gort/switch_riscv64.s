//go:build linux

#include "go_asm.h"
#include "textflag.h"
#include "funcdata.h"

// The switch from one goroutine of a thread to another one, without the scheduler. The
// contracts, the order in which it goes and why are in switch_amd64.s. X10 = t, X11 = to.
//
// A goroutine that was suspended here:
//
//	        high addresses
//	      +------------------+
//	      | frame of the     |
//	      | caller           |
//	+0x00 | (its own return  |  the place of the caller's RA, by Go's convention
//	      |  address)        |
//	      +------------------+  <- g.sched.sp
//	        low addresses
//
// g.sched.lr is the return address into the caller, g.sched.pc is fastResumed or slowResumed.
//
// What differs from amd64:
//
//   - As on arm64, what a suspended goroutine returns to is sched.lr: it is saved here,
//     loaded for everybody, and cleared as gogo clears it.
//   - Go has no frame pointers here, so sched.bp is neither saved nor loaded, and there is
//     no chain of them to cut.
//   - g is in X27 and, where there is C, in thread-local storage, at slot, which the C core
//     has found.
//   - Returns go by RA, and are not compared: fastSwitch always says Returned.
//   - Stores are not ordered. The assembler makes LRW acquire and SCW release, and an AMO
//     both. A goroutine that is released is so by SCW after all that was stored for it;
//     between the scan bit and the look at whose a coroutine is there is a FENCE, since one
//     is a store and the other a load.
//   - Only a loop of LRW and SCW with nothing but the comparison in it is sure to end. A
//     reservation that is left behind is nobody's: every SCW has an LRW of its own.

#define Grunning 2
#define Gwaiting 4
#define Gscan 0x1000

// func fastSwitch(t *Thread, to *Coro) (int, *Thread)
TEXT ·fastSwitch(SB), NOSPLIT|NOFRAME, $0-0
	MOV	Thread_gp(X10), X5
	BNE	g, X5, refuse
	MOV	X11, X12
	MOV	Coro_g(X11), X11
	BEQ	g, X11, refuse
	MOV	const_gM(g), X8
	MOVWU	const_gProfiled(g), X5
	BNEZ	X5, refuse
	MOV	const_mTraceBuf0(X8), X5
	MOV	const_mTraceBuf1(X8), X6
	OR	X6, X5
	BNEZ	X5, refuse
	MOVBU	Thread_free(X10), X5
	BNEZ	X5, free
	MOV	const_mG0(X8), X16
	MOV	const_mNcgocall(X8), X5
	MOV	Thread_ncgocall(X10), X6
	BNE	X5, X6, called
quiet:
	MOV	Thread_rootG(X10), X17
	BEQ	g, X17, fromroot
	MOV	const_gSchedSP(X16), X5
	MOV	Thread_base(X10), X6
	BNE	X5, X6, refuse
	MOV	const_mLocks(X8), X5
	MOV	Thread_locks(X10), X6
	BNE	X5, X6, refuse
	MOV	X8, const_gM(X11)
	ADD	$const_gStatus, X11, X13
	MOV	$Gwaiting, X6
	MOV	$Grunning, X7
take:
	LRW	(X13), X9
	BNE	X9, X6, busy
	SCW	X7, (X13), X9
	BNEZ	X9, take
	BEQ	X11, X17, toroot
	MOV	$·fastResumed(SB), X15
	MOV	ZERO, X14
	JMP	transfer<>(SB)

fromroot:
	MOVWU	const_mNcgo(X8), X5
	BNEZ	X5, refuse
	MOV	Thread_base(X10), X5
	BEQZ	X5, refuse
	MOV	X8, const_gM(X11)
	ADD	$const_gStatus, X11, X13
	MOV	$Gwaiting, X6
	MOV	$Grunning, X7
takefromroot:
	LRW	(X13), X9
	BNE	X9, X6, busy
	SCW	X7, (X13), X9
	BNEZ	X9, takefromroot
	MOV	const_mLocks(X8), X5
	MOV	X5, Thread_rootLocks(X10)
	MOV	Thread_locks(X10), X5
	MOV	X5, const_mLocks(X8)
	MOV	const_gSchedSP(X16), X5
	MOV	(Thread_own+CStack_native)(X10), X6
	MOV	X5, (X6)
	MOV	Thread_plain(X10), X9
	JMP	install
toroot:
	MOV	Thread_rootLocks(X10), X5
	MOV	X5, const_mLocks(X8)
	ADD	$Thread_own, X10, X9
install:				// X9: the C stack, into the g0, X16
	MOV	CStack_lo(X9), X5
	MOV	X5, 0(X16)
	MOV	CStack_hi(X9), X5
	MOV	X5, 8(X16)
	MOV	CStack_guard0(X9), X5
	MOV	X5, const_gGuard0(X16)
	MOV	CStack_guard1(X9), X5
	MOV	X5, (const_gGuard0+8)(X16)
	MOV	CStack_native(X9), X9
	MOV	(X9), X5
	MOV	X5, const_gSchedSP(X16)
	MOV	Thread_current(X10), X5
	MOV	X9, (X5)
	MOV	$·fastResumed(SB), X15
	MOV	ZERO, X14
	JMP	transfer<>(SB)

called:					// C has run: the rounding mode, exceptions
	MOV	Thread_excs(X10), X6
	BEQZ	X6, words
	MOV	0(X6), X7
	MOVWU	8(X6), X6
	OR	X6, X7
	BNEZ	X7, refuse
words:
	WORD	$0x00202373		// frrm x6
	MOV	Thread_fpcw(X10), X7
	BNE	X6, X7, refuse
	MOV	X5, Thread_ncgocall(X10)
	JMP	quiet

busy:
	MOV	ZERO, const_gM(X11)
refuse:
	MOV	ZERO, X10
	MOV	ZERO, X11
	RET

// In a tree that is not bound to a thread: see switch_amd64.s.
free:
	MOV	Thread_rootG(X10), X17
	BNE	g, X17, ours
	MOV	const_gGoid(g), X5
	MOV	Thread_rootID(X10), X6
	BNE	X5, X6, refuse
ours:
	MOV	const_mLockedG(X8), X5
	BNEZ	X5, refuse
	BEQZ	X11, refuse		// elsewhere, and it has ended
	ADD	$const_gStatus, X11, X13
	MOV	$Gwaiting, X6
	MOV	$(Gscan+Gwaiting), X7
takefree:
	LRW	(X13), X9
	BNE	X9, X6, refuse
	SCW	X7, (X13), X9
	BNEZ	X9, takefree
	FENCE				// the claim, if there is one, is seen
	MOV	Coro_t(X12), X5
	BNE	X10, X5, claimed
	MOV	X8, const_gM(X11)
	MOV	$Grunning, X6
	AMOSWAPW X6, (X13), ZERO
	MOV	$·fastResumed(SB), X15
	MOV	$1, X14
	JMP	transfer<>(SB)
claimed:
	AMOSWAPW X6, (X13), ZERO	// Gwaiting
	JMP	refuse

// func slowSwitch(t *Thread, to uintptr) bool
TEXT ·slowSwitch(SB), NOSPLIT|NOFRAME, $0-0
	MOV	const_gM(g), X8
	MOVWU	const_gProfiled(g), X5
	BNEZ	X5, refuse
	MOV	const_mTraceBuf0(X8), X5
	MOV	const_mTraceBuf1(X8), X6
	OR	X6, X5
	BNEZ	X5, refuse
	MOV	X8, const_gM(X11)
	ADD	$const_gStatus, X11, X13
	MOV	$Gwaiting, X6
	MOV	$Grunning, X7
take:
	LRW	(X13), X9
	BNE	X9, X6, busy
	SCW	X7, (X13), X9
	BNEZ	X9, take
	MOV	$·slowResumed(SB), X15
	MOV	ZERO, X14
	JMP	transfer<>(SB)
busy:
	MOV	ZERO, const_gM(X11)
refuse:
	MOV	ZERO, X10
	RET

// transfer goes on with X11, which is taken. g: who stops; X8: the M; X10: the Thread; X15:
// where whoever stops goes on; X14: not 0 if nobody is locked to the M.
TEXT transfer<>(SB), NOSPLIT|NOFRAME, $0-0
	MOV	X11, Thread_gp(X10)
	MOV	X15, const_gSchedPC(g)
	MOV	X2, const_gSchedSP(g)
	MOV	RA, const_gSchedLR(g)
	MOVBU	·waitReason(SB), X5
	MOVB	X5, const_gWaitReason(g)
	MOV	X11, const_mCurg(X8)
	BNEZ	X14, unlocked
	MOV	ZERO, const_gLockedM(g)
	MOV	X11, const_mLockedG(X8)
	MOV	X8, const_gLockedM(X11)
unlocked:
	MOV	g, X16
#ifdef const_inTLS
	MOV	·slot(SB), X5
	ADD	TP, X5, X5
	MOV	X11, (X5)
#endif
	MOV	X11, g
	MOV	const_gSchedSP(X11), X2
	MOV	const_gSchedLR(X11), RA
	ADD	$const_gStatus, X16, X13
	MOV	$Grunning, X6
	MOV	$Gwaiting, X7
release:
	LRW	(X13), X9
	BNE	X9, X6, release		// whoever has its scan bit gives it back at once
	SCW	X7, (X13), X9
	BNEZ	X9, release
	MOV	ZERO, const_gM(X16)	// nobody who sees _Gwaiting follows it
	MOV	const_gSchedPC(X11), X5
	BNE	X5, X15, other
	MOV	X10, X11
	MOV	$1, X10
	RET
other:
	MOV	const_gSchedCtxt(X11), X26
	MOV	ZERO, const_gSchedCtxt(X11)	// as gogo: for the next traceback
	MOV	ZERO, const_gSchedLR(X11)
	JALR	ZERO, X5

// Where gogo goes on with one that fastSwitch has suspended: restoreM(0), and it returns.
TEXT ·fastResumed(SB), NOSPLIT|NOFRAME, $0-0
	MOV	const_gM(g), X8
	MOVW	ZERO, const_mNcgo(X8)
	MOV	const_mLocks(X8), X5
	BNEZ	X5, done
	MOV	const_gLockedM(g), X5
	BEQZ	X5, done
	MOV	ZERO, const_mLockedG(X8)
	MOV	ZERO, const_gLockedM(g)
done:
	MOV	ZERO, X11
	MOV	$1, X10
	RET

// func restoreM(ncgo int32)		X10, by the internal ABI
TEXT ·restoreM(SB), NOSPLIT|NOFRAME, $0-0
	MOV	const_gM(g), X8
	MOVW	X10, const_mNcgo(X8)
	MOV	const_mLocks(X8), X5
	BNEZ	X5, done
	MOV	const_gLockedM(g), X5
	BEQZ	X5, done
	MOV	ZERO, const_mLockedG(X8)
	MOV	ZERO, const_gLockedM(g)
done:
	RET

// func swapWholeStack(g0 uintptr, from, to *CStack)	X10 to X12, by the internal ABI
TEXT ·swapWholeStack(SB), NOSPLIT|NOFRAME, $0-0
	MOV	0(X10), X5
	MOV	X5, CStack_lo(X11)
	MOV	8(X10), X5
	MOV	X5, CStack_hi(X11)
	MOV	const_gGuard0(X10), X5
	MOV	X5, CStack_guard0(X11)
	MOV	(const_gGuard0+8)(X10), X5
	MOV	X5, CStack_guard1(X11)
	MOV	const_gSchedPC(X10), X5
	MOV	X5, CStack_pc(X11)
	MOV	CStack_pc(X12), X6
	MOV	X6, const_gSchedPC(X10)
	JMP	·swapStack(SB)

// swapStack(g0 uintptr, from, to *CStack): X10 to X12; internal ABI. Takes the C stack
// `from` out of a g0 and puts `to` there.
TEXT ·swapStack(SB), NOSPLIT|NOFRAME, $0-0
	MOV	const_gSchedSP(X10), X5
	MOV	CStack_native(X11), X6
	MOV	X5, (X6)
	MOV	CStack_lo(X12), X5
	MOV	X5, 0(X10)
	MOV	CStack_hi(X12), X5
	MOV	X5, 8(X10)
	MOV	CStack_guard0(X12), X5
	MOV	X5, const_gGuard0(X10)
	MOV	CStack_guard1(X12), X5
	MOV	X5, (const_gGuard0+8)(X10)
	MOV	CStack_native(X12), X6
	MOV	(X6), X5
	MOV	X5, const_gSchedSP(X10)
	RET

// restoreOwnStack: see switch_amd64.s. g is the g0.
TEXT ·restoreOwnStack(SB), NOSPLIT|NOFRAME, $0-0
	MOV	const_ownAt(X2), X6
	MOV	CStack_lo(X6), X5
	MOV	X5, 0(g)
	MOV	CStack_hi(X6), X5
	MOV	X5, 8(g)
	MOV	CStack_guard0(X6), X5
	MOV	X5, const_gGuard0(g)
	MOV	CStack_guard1(X6), X5
	MOV	X5, (const_gGuard0+8)(g)
	MOV	CStack_exitSP(X6), X2
	MOV	X2, const_gSchedSP(g)
	MOV	CStack_pc(X6), X5
	MOV	X5, const_gSchedPC(g)
	JALR	ZERO, X5

// func ownCoro() uintptr, by the internal ABI.
TEXT ·ownCoro(SB), NOSPLIT|NOFRAME, $0-0
	MOV	ZERO, X10
	MOV	const_gStartPC(g), X5
	MOV	·freshPC(SB), X6
	BNE	X5, X6, none
	MOV	8(g), X5
	MOV	·coroAt(SB), X6
	SUB	X6, X5
	MOV	(X5), X10
none:
	RET

// func coroOf(gp uintptr) (c uintptr, ok bool)
TEXT ·coroOf(SB), NOSPLIT|NOFRAME, $0-17
	MOV	gp+0(FP), X11
	ADD	$const_gStatus, X11, X13
	MOV	$Gwaiting, X6
	MOV	$(Gscan+Gwaiting), X7
take:
	LRW	(X13), X9
	BNE	X9, X6, scanned
	SCW	X7, (X13), X9
	BNEZ	X9, take
	MOV	ZERO, X10
	MOV	const_gStartPC(X11), X5
	MOV	·freshPC(SB), X8
	BNE	X5, X8, none
	MOV	8(X11), X5
	MOV	·coroAt(SB), X8
	SUB	X8, X5
	MOV	(X5), X10
none:
	AMOSWAPW X6, (X13), ZERO
	MOV	X10, c+8(FP)
	MOV	$1, X5
	MOVB	X5, ok+16(FP)
	RET
scanned:
	MOV	ZERO, c+8(FP)
	MOVB	ZERO, ok+16(FP)
	RET

// The same for slowSwitch; Thread.resume sees to the rest.
TEXT ·slowResumed(SB), NOSPLIT|NOFRAME, $0-0
	MOV	$1, X10
	RET

// There are no frame pointers that would lead into C.
TEXT ·slowSwitchInC(SB), NOSPLIT|NOFRAME, $0-0
	JMP	·slowSwitch(SB)

// func coroswitchInC(c *coro)
// A call of runtime.coroswitch, by the internal ABI.
TEXT ·coroswitchInC(SB), NOSPLIT, $8-8
	NO_LOCAL_POINTERS
	MOV	c+0(FP), X10
	MOV	·coroswitch(SB), X26
	MOV	(X26), X5
	JALR	RA, X5
	RET

// func resetG(gp uintptr, c unsafe.Pointer) bool
//
// Makes a goroutine that waits as newcoro makes it, for the coro c. False: somebody has
// its scan bit. In assembly, since whoever has it must not be preempted.
TEXT ·resetG(SB), NOSPLIT|NOFRAME, $0-17
	MOV	gp+0(FP), X11
	MOV	c+8(FP), X12
	ADD	$const_gStatus, X11, X13
	MOV	$Gwaiting, X6
	MOV	$(Gscan+Gwaiting), X7
take:
	LRW	(X13), X9
	BNE	X9, X6, scanned
	SCW	X7, (X13), X9
	BNEZ	X9, take
	MOV	const_gStktopSP(X11), X5
	MOV	·freshDepth(SB), X8
	SUB	X8, X5
	MOV	X5, const_gSchedSP(X11)
	MOV	·freshPC(SB), X5
	MOV	X5, const_gSchedPC(X11)
	MOV	·freshLR(SB), X5
	MOV	X5, const_gSchedLR(X11)
	MOV	·freshCtxt(SB), X5
	MOV	X5, const_gSchedCtxt(X11)
	MOV	X12, const_gCoroarg(X11)
	MOV	ZERO, const_gSchedBP(X11)
	MOV	ZERO, const_gSyscallSP(X11)
	MOV	ZERO, const_gSyscallPC(X11)
	MOV	ZERO, const_gSyscallBP(X11)
	MOV	ZERO, const_gPanic(X11)
	MOV	ZERO, const_gDefer(X11)
	MOV	ZERO, const_gCgoCtxt(X11)
	MOV	ZERO, (const_gCgoCtxt+8)(X11)
	MOV	ZERO, (const_gCgoCtxt+16)(X11)
	MOVB	ZERO, const_gPanicOnFault(X11)
	MOVB	ZERO, const_gThrowSplit(X11)
	MOV	0(X11), X5		// the guard is another one in a system call
	MOV	·stackGuard(SB), X8
	ADD	X8, X5
	MOV	X5, const_gGuard0(X11)
	AMOSWAPW X6, (X13), ZERO
	MOV	$1, X5
	MOVB	X5, ret+16(FP)
	RET
scanned:
	MOVB	ZERO, ret+16(FP)
	RET

// currentG() uintptr, by the internal ABI: getg.
TEXT ·currentG(SB), NOSPLIT|NOFRAME, $0-0
	MOV	g, X10
	RET

// func pcs() (fastSwitch, slowSwitch, slowSwitchInC, swapStack, currentG, returnFromCaller uintptr)
TEXT ·pcs(SB), NOSPLIT|NOFRAME, $0-48
	MOV	$·fastSwitch(SB), X5
	MOV	X5, fastSwitch+0(FP)
	MOV	$·slowSwitch(SB), X5
	MOV	X5, slowSwitch+8(FP)
	MOV	$·slowSwitchInC(SB), X5
	MOV	X5, slowSwitchInC+16(FP)
	MOV	$·swapStack(SB), X5
	MOV	X5, swapStack+24(FP)
	MOV	$·currentG(SB), X5
	MOV	X5, currentG+32(FP)
	MOV	ZERO, returnFromCaller+40(FP)
	RET

// func freePCs() (restoreM, swapWholeStack, restoreOwnStack, ownCoro uintptr)
TEXT ·freePCs(SB), NOSPLIT|NOFRAME, $0-32
	MOV	$·restoreM(SB), X5
	MOV	X5, restoreM+0(FP)
	MOV	$·swapWholeStack(SB), X5
	MOV	X5, swapWholeStack+8(FP)
	MOV	$·restoreOwnStack(SB), X5
	MOV	X5, restoreOwnStack+16(FP)
	MOV	$·ownCoro(SB), X5
	MOV	X5, ownCoro+24(FP)
	RET

// The rounding mode, frm, by the instructions' numbers: not every assembler of Go's knows
// the names of such registers.

// func controlWords() uint64
TEXT ·controlWords(SB), NOSPLIT|NOFRAME, $0-8
	WORD	$0x00202373		// frrm x6
	MOV	X6, ret+0(FP)
	RET

// func setControlWords(w uint64)
TEXT ·setControlWords(SB), NOSPLIT|NOFRAME, $0-8
	MOV	w+0(FP), X6
	WORD	$0x00231073		// fsrm x6
	RET
