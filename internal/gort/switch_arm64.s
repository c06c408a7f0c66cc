//go:build linux

#include "go_asm.h"
#include "textflag.h"
#include "funcdata.h"

// The switch from one goroutine of a thread to another one, without the scheduler. The
// contracts, the order in which it goes and why are in switch_amd64.s. R0 = t, R1 = to.
//
// A goroutine that was suspended here:
//
//	         high addresses
//	       +------------------+
//	       | frame of the     |
//	       | caller           |
//	+0x00  | (its place for   |  the caller has not called anybody else
//	       |  a link)         |
//	       +------------------+  <- g.sched.sp
//	-0x08  | caller's R29     |  <- g.sched.bp
//	         low addresses
//
//	g.sched.lr is the return address into the caller, g.sched.pc is fastResumed or slowResumed.
//
// What differs on a CPU with a link register:
//
//   - With sched.lr zero, as mcall leaves it, a traceback would take a word of the
//     caller's frame for the return address, so it is saved here, and loaded for
//     everybody: a fresh goroutine has goexit there. It is cleared as gogo clears it.
//   - g is in R28 and, where there is C, in thread-local storage, at slot, which the C core
//     has found.
//   - The word below SP is the caller's saved frame pointer: nothing is stored there.
//   - Returns go by the link register, and are not compared: fastSwitch always says Returned.
//   - Stores are not ordered: the exclusive loads acquire, and the stores release.
//
// Registers, from the checks on, in all of this:
//
//	R2 to R4	scratch; before the target goes on, R2: where the one that stops goes on
//	R0		the Thread
//	R1		the target's g
//	R5, R6, R7, R9	of a compare-and-swap: address, new value, old value, outcome
//	R8		the M
//	R10		the M's g0; later the g that stops
//	R11		the root's g, or 0
//	R12		the target's Coro
//	R13		not 0 if nobody is locked to the M
//	g, LR, R29	of whoever runs

#define Grunning 2
#define Gwaiting 4
#define Gscan 0x1000

// CAS(again, old, failed) makes the status at (R5), which must be `old`, the one in R6, or goes
// to `failed`, which begins with CLREX. Why it may fail, and who else writes the word, is said
// at TAKE_TARGET and RELEASE_SELF in switch_amd64.s, for this CPU, too. The exclusive store alone
// can also fail for no reason at all: then it is tried again.
#define CAS(again, old, failed) \
again: \
	LDAXRW	(R5), R7; \
	CMPW	$old, R7; \
	BNE	failed; \
	STLXRW	R6, (R5), R9; \
	CBNZW	R9, again

// func fastSwitch(t *Thread, to *Coro) (int, *Thread)
TEXT ·fastSwitch(SB), NOSPLIT|NOFRAME, $0-0
	MOVD	Thread_gp(R0), R2
	CMP	g, R2
	BNE	refuse			// an iter.Pull's, or of another thread or tree
	MOVD	R1, R12			// the Coro, for a free tree
	MOVD	Coro_g(R1), R1
	CMP	g, R1
	BEQ	refuse			// to itself: there is nothing to switch
	MOVD	const_gM(g), R8
	MOVWU	const_gProfiled(g), R2
	CBNZ	R2, refuse		// a goroutine profile records each before it runs
	MOVD	const_mTraceBuf0(R8), R2
	MOVD	const_mTraceBuf1(R8), R3
	ORR	R2, R3
	CBNZ	R3, refuse		// an execution trace records each switch
	MOVBU	Thread_free(R0), R2
	CBNZ	R2, free
	MOVD	const_mG0(R8), R10
	MOVD	const_mNcgocall(R8), R2
	MOVD	Thread_ncgocall(R0), R3
	CMP	R2, R3
	BNE	called
quiet:					// no C has run since the last look
	MOVD	Thread_rootG(R0), R11
	CMP	g, R11
	BEQ	fromroot
	MOVD	const_gSchedSP(R10), R2
	MOVD	Thread_base(R0), R3
	CMP	R2, R3
	BNE	refuse			// C frames, or not the plain stack
	MOVD	const_mLocks(R8), R2
	MOVD	Thread_locks(R0), R3
	CMP	R2, R3
	BNE	refuse			// it has locked itself to the thread
	MOVD	R8, const_gM(R1)	// before the status: suspendG follows it
	ADD	$const_gStatus, R1, R5
	MOVD	$Grunning, R6
	CAS(take, Gwaiting, busy)
	CMP	R1, R11
	BEQ	toroot
	MOVD	$·fastResumed(SB), R2
	MOVD	ZR, R13
	JMP	transfer<>(SB)

fromroot:				// lock counts and the C stack are other ones, and exchanged
	MOVWU	const_mNcgo(R8), R2
	CBNZ	R2, refuse		// C waits for the root
	MOVD	Thread_base(R0), R2
	CBZ	R2, refuse		// there is no plain stack
	MOVD	R8, const_gM(R1)
	ADD	$const_gStatus, R1, R5
	MOVD	$Grunning, R6
	CAS(takefromroot, Gwaiting, busy)
	MOVD	const_mLocks(R8), R2
	MOVD	R2, Thread_rootLocks(R0)
	MOVD	Thread_locks(R0), R2
	MOVD	R2, const_mLocks(R8)
	MOVD	const_gSchedSP(R10), R2
	MOVD	(Thread_own+CStack_native)(R0), R3
	MOVD	R2, (R3)		// where the next call of C on the own stack begins
	MOVD	Thread_plain(R0), R9
	JMP	install
toroot:
	MOVD	Thread_rootLocks(R0), R2
	MOVD	R2, const_mLocks(R8)
	ADD	$Thread_own, R0, R9
install:				// the C stack R9 into the g0, R10
	LDP	CStack_lo(R9), (R2, R3)
	LDP	CStack_guard0(R9), (R4, R5)
	MOVD	CStack_native(R9), R9
	MOVD	(R9), R6
	STP	(R2, R3), 0(R10)
	STP	(R4, R5), const_gGuard0(R10)
	MOVD	R6, const_gSchedSP(R10)
	MOVD	Thread_current(R0), R3
	MOVD	R9, (R3)		// the C core's current coroutine is that stack's
	MOVD	$·fastResumed(SB), R2
	MOVD	ZR, R13
	JMP	transfer<>(SB)

called:					// C has run: look at the exceptions and control words
	MOVD	Thread_excs(R0), R3
	CBZ	R3, words		// there is no C++
	MOVD	0(R3), R4
	MOVWU	8(R3), R5
	ORR	R4, R5
	CBNZ	R5, refuse		// one is being handled
words:
	MOVD	FPCR, R3
	MOVD	Thread_fpcw(R0), R4
	CMP	R3, R4
	BNE	refuse			// C has changed them
	MOVD	R2, Thread_ncgocall(R0)
	JMP	quiet

busy:
	CLREX
	MOVD	ZR, const_gM(R1)
refuse:
	MOVD	ZR, R0
	MOVD	ZR, R1
	RET

// In a tree that is not bound to a thread: see switch_amd64.s, which also says how this and
// Coro.Claim see each other. Claim's compare-and-swap and its loads are Go's atomics, which are
// ordered as they are written; here the barrier orders the exclusive store before the load.
free:
	MOVD	Thread_rootG(R0), R11
	CMP	g, R11
	BNE	ours
	MOVD	const_gGoid(g), R2	// a g is used again when its goroutine has ended
	MOVD	Thread_rootID(R0), R3
	CMP	R2, R3
	BNE	refuse
ours:
	MOVD	const_mLockedG(R8), R2
	CBNZ	R2, refuse		// locked: there may be C frames or lock counts
	CBZ	R1, refuse		// it has ended, elsewhere
	ADD	$const_gStatus, R1, R5
	MOVD	$(Gscan+Gwaiting), R6
	CAS(takefree, Gwaiting, nottaken)
	DMB	$0xb			// a load that follows may pass the exclusive store, else
	MOVD	Coro_t(R12), R2
	CMP	R0, R2
	BNE	claimed
	MOVD	R8, const_gM(R1)
	MOVD	$Grunning, R6
	STLRW	R6, (R5)		// we had the scan bit: nobody else writes it
	MOVD	$·fastResumed(SB), R2
	MOVD	$1, R13
	JMP	transfer<>(SB)
nottaken:
	CLREX
	JMP	refuse
claimed:
	MOVD	$Gwaiting, R6
	STLRW	R6, (R5)
	JMP	refuse

// func slowSwitch(t *Thread, to uintptr) bool
TEXT ·slowSwitch(SB), NOSPLIT|NOFRAME, $0-0
	MOVD	const_gM(g), R8
	MOVWU	const_gProfiled(g), R2
	CBNZ	R2, refuse
	MOVD	const_mTraceBuf0(R8), R2
	MOVD	const_mTraceBuf1(R8), R3
	ORR	R2, R3
	CBNZ	R3, refuse
	MOVD	R8, const_gM(R1)
	ADD	$const_gStatus, R1, R5
	MOVD	$Grunning, R6
	CAS(take, Gwaiting, busy)
	MOVD	$·slowResumed(SB), R2
	MOVD	ZR, R13
	JMP	transfer<>(SB)
busy:
	CLREX
	MOVD	ZR, const_gM(R1)
refuse:
	MOVD	ZR, R0
	RET

// transfer goes on with R1, which is taken. g: who stops; R8: the M; R0: the Thread; R2:
// where whoever stops goes on; R13: not 0 if nobody is locked to the M.
TEXT transfer<>(SB), NOSPLIT|NOFRAME, $0-0
	MOVD	R1, Thread_gp(R0)
	MOVD	R2, const_gSchedPC(g)
	MOVD	RSP, R3
	MOVD	R3, const_gSchedSP(g)
	MOVD	R29, const_gSchedBP(g)
	MOVD	LR, const_gSchedLR(g)
	MOVBU	·waitReason(SB), R4
	MOVB	R4, const_gWaitReason(g)
	MOVD	R1, const_mCurg(R8)
	CBNZ	R13, unlocked
	MOVD	ZR, const_gLockedM(g)
	MOVD	R1, const_mLockedG(R8)
	MOVD	R8, const_gLockedM(R1)
unlocked:
	MOVD	g, R10
#ifdef const_inTLS
	MRS	TPIDR_EL0, R3
	MOVD	·slot(SB), R4
	MOVD	R1, (R3)(R4)
#endif
	MOVD	R1, g
	MOVD	const_gSchedSP(R1), R3
	MOVD	R3, RSP
	MOVD	const_gSchedBP(R1), R29
	MOVD	const_gSchedLR(R1), LR
	ADD	$const_gStatus, R10, R5
	MOVD	$Gwaiting, R6
	CAS(release, Grunning, wait)
	MOVD	ZR, const_gM(R10)	// nobody who sees _Gwaiting follows it
	MOVD	const_gSchedPC(R1), R3
	CMP	R2, R3
	BNE	other
	MOVD	R0, R1
	MOVD	$1, R0
	RET
other:
	MOVD	const_gSchedCtxt(R1), R26
	MOVD	ZR, const_gSchedCtxt(R1)	// as gogo: for the next traceback
	MOVD	ZR, const_gSchedLR(R1)
	JMP	(R3)
wait:					// somebody has the scan bit, for an instant
	YIELD
	JMP	release

// Where gogo goes on with one that fastSwitch has suspended: restoreM(0), and it returns.
TEXT ·fastResumed(SB), NOSPLIT|NOFRAME, $0-0
	MOVD	const_gM(g), R2
	MOVW	ZR, const_mNcgo(R2)
	MOVD	const_mLocks(R2), R3
	CBNZ	R3, done
	MOVD	const_gLockedM(g), R3
	CBZ	R3, done
	MOVD	ZR, const_mLockedG(R2)
	MOVD	ZR, const_gLockedM(g)
done:
	MOVD	ZR, R1
	MOVD	$1, R0
	RET

// func restoreM(ncgo int32)		R0, by the internal ABI
TEXT ·restoreM(SB), NOSPLIT|NOFRAME, $0-0
	MOVD	const_gM(g), R2
	MOVW	R0, const_mNcgo(R2)
	MOVD	const_mLocks(R2), R3
	CBNZ	R3, done
	MOVD	const_gLockedM(g), R3
	CBZ	R3, done
	MOVD	ZR, const_mLockedG(R2)
	MOVD	ZR, const_gLockedM(g)
done:
	RET

// func swapWholeStack(g0 uintptr, from, to *CStack)	R0 to R2, by the internal ABI
TEXT ·swapWholeStack(SB), NOSPLIT|NOFRAME, $0-0
	LDP	0(R0), (R6, R7)
	LDP	const_gGuard0(R0), (R8, R9)
	STP	(R6, R7), CStack_lo(R1)
	STP	(R8, R9), CStack_guard0(R1)
	MOVD	const_gSchedPC(R0), R5
	MOVD	R5, CStack_pc(R1)
	MOVD	const_gSchedSP(R0), R5
	MOVD	CStack_native(R1), R1
	MOVD	R5, (R1)
	LDP	CStack_lo(R2), (R6, R7)
	LDP	CStack_guard0(R2), (R8, R9)
	MOVD	CStack_pc(R2), R5
	MOVD	CStack_native(R2), R2
	MOVD	(R2), R3
	STP	(R6, R7), 0(R0)
	STP	(R8, R9), const_gGuard0(R0)
	MOVD	R5, const_gSchedPC(R0)
	MOVD	R3, const_gSchedSP(R0)
	RET

// restoreOwnStack: see switch_amd64.s. g is the g0.
TEXT ·restoreOwnStack(SB), NOSPLIT|NOFRAME, $0-0
	MOVD	const_ownAt(RSP), R2
	LDP	CStack_lo(R2), (R6, R7)
	LDP	CStack_guard0(R2), (R8, R9)
	STP	(R6, R7), 0(g)
	STP	(R8, R9), const_gGuard0(g)
	MOVD	CStack_exitSP(R2), R3
	MOVD	R3, RSP
	MOVD	R3, const_gSchedSP(g)
	MOVD	CStack_pc(R2), R4
	MOVD	R4, const_gSchedPC(g)
	JMP	(R4)

// func ownCoro() uintptr, by the internal ABI.
TEXT ·ownCoro(SB), NOSPLIT|NOFRAME, $0-0
	MOVD	ZR, R0
	MOVD	const_gStartPC(g), R2
	MOVD	·freshPC(SB), R3
	CMP	R2, R3
	BNE	none
	MOVD	8(g), R2
	MOVD	·coroAt(SB), R3
	SUB	R3, R2
	MOVD	(R2), R0
none:
	RET

// func coroOf(gp uintptr) (c uintptr, ok bool)
TEXT ·coroOf(SB), NOSPLIT|NOFRAME, $0-17
	MOVD	gp+0(FP), R1
	ADD	$const_gStatus, R1, R5
	MOVD	$(Gscan+Gwaiting), R6
	CAS(take, Gwaiting, scanned)
	MOVD	ZR, R0
	MOVD	const_gStartPC(R1), R2
	MOVD	·freshPC(SB), R3
	CMP	R2, R3
	BNE	none
	MOVD	8(R1), R2
	MOVD	·coroAt(SB), R3
	SUB	R3, R2
	MOVD	(R2), R0
none:
	MOVD	$Gwaiting, R6
	STLRW	R6, (R5)
	MOVD	R0, c+8(FP)
	MOVD	$1, R0
	MOVB	R0, ok+16(FP)
	RET
scanned:
	CLREX
	MOVD	ZR, c+8(FP)
	MOVB	ZR, ok+16(FP)
	RET

// The same for slowSwitch; Thread.resume sees to the rest.
TEXT ·slowResumed(SB), NOSPLIT|NOFRAME, $0-0
	MOVD	$1, R0
	RET

// The tracer unwinds goroutines that wait by their frame pointers, which lead from here
// into C. So the chain ends here.
TEXT ·slowSwitchInC(SB), NOSPLIT, $8-0
	NO_LOCAL_POINTERS
	MOVD	ZR, R29
	CALL	·slowSwitch(SB)
	RET

// func coroswitchInC(c *coro)
// The same for runtime.coroswitch, which is called by the internal ABI.
TEXT ·coroswitchInC(SB), NOSPLIT, $8-8
	NO_LOCAL_POINTERS
	MOVD	c+0(FP), R0
	MOVD	·coroswitch(SB), R26
	MOVD	(R26), R1
	MOVD	ZR, R29
	CALL	(R1)
	RET

// swapStack(g0 uintptr, from, to *CStack): R0 to R2; internal ABI. Takes the C stack
// `from` out of a g0 and puts `to` there.
TEXT ·swapStack(SB), NOSPLIT|NOFRAME, $0-0
	MOVD	const_gSchedSP(R0), R5
	MOVD	CStack_native(R1), R1
	MOVD	R5, (R1)
	LDP	CStack_lo(R2), (R6, R7)
	LDP	CStack_guard0(R2), (R8, R9)
	MOVD	CStack_native(R2), R2
	MOVD	(R2), R5
	STP	(R6, R7), 0(R0)
	STP	(R8, R9), const_gGuard0(R0)
	MOVD	R5, const_gSchedSP(R0)
	RET

// func resetG(gp uintptr, c unsafe.Pointer) bool
//
// Makes a goroutine that waits as newcoro makes it, for the coro c. False: somebody has
// its scan bit. In assembly, since whoever has it must not be preempted.
TEXT ·resetG(SB), NOSPLIT|NOFRAME, $0-17
	MOVD	gp+0(FP), R1
	MOVD	c+8(FP), R2
	ADD	$const_gStatus, R1, R5
	MOVD	$(0x1000+Gwaiting), R6
	CAS(take, Gwaiting, scanned)
	MOVD	const_gStktopSP(R1), R3
	MOVD	·freshDepth(SB), R4
	SUB	R4, R3
	MOVD	R3, const_gSchedSP(R1)
	MOVD	·freshPC(SB), R3
	MOVD	R3, const_gSchedPC(R1)
	MOVD	·freshLR(SB), R3
	MOVD	R3, const_gSchedLR(R1)
	MOVD	·freshCtxt(SB), R3
	MOVD	R3, const_gSchedCtxt(R1)
	MOVD	R2, const_gCoroarg(R1)
	MOVD	ZR, const_gSchedBP(R1)
	MOVD	ZR, const_gSyscallSP(R1)
	MOVD	ZR, const_gSyscallPC(R1)
	MOVD	ZR, const_gSyscallBP(R1)
	MOVD	ZR, const_gPanic(R1)
	MOVD	ZR, const_gDefer(R1)
	MOVD	ZR, const_gCgoCtxt(R1)
	MOVD	ZR, (const_gCgoCtxt+8)(R1)
	MOVD	ZR, (const_gCgoCtxt+16)(R1)
	MOVB	ZR, const_gPanicOnFault(R1)
	MOVB	ZR, const_gThrowSplit(R1)
	MOVD	0(R1), R3		// the guard is another one in a system call
	MOVD	·stackGuard(SB), R4
	ADD	R4, R3
	MOVD	R3, const_gGuard0(R1)
	MOVD	$Gwaiting, R6
	STLRW	R6, (R5)
	MOVD	$1, R0
	MOVB	R0, ret+16(FP)
	RET
scanned:
	CLREX
	MOVB	ZR, ret+16(FP)
	RET

// currentG() uintptr, by the internal ABI: getg.
TEXT ·currentG(SB), NOSPLIT|NOFRAME, $0-0
	MOVD	g, R0
	RET

// func pcs() (fastSwitch, slowSwitch, slowSwitchInC, swapStack, currentG, returnFromCaller uintptr)
TEXT ·pcs(SB), NOSPLIT|NOFRAME, $0-48
	MOVD	$·fastSwitch(SB), R0
	MOVD	R0, fastSwitch+0(FP)
	MOVD	$·slowSwitch(SB), R0
	MOVD	R0, slowSwitch+8(FP)
	MOVD	$·slowSwitchInC(SB), R0
	MOVD	R0, slowSwitchInC+16(FP)
	MOVD	$·swapStack(SB), R0
	MOVD	R0, swapStack+24(FP)
	MOVD	$·currentG(SB), R0
	MOVD	R0, currentG+32(FP)
	MOVD	ZR, returnFromCaller+40(FP)
	RET

// func freePCs() (restoreM, swapWholeStack, restoreOwnStack, ownCoro uintptr)
TEXT ·freePCs(SB), NOSPLIT|NOFRAME, $0-32
	MOVD	$·restoreM(SB), R0
	MOVD	R0, restoreM+0(FP)
	MOVD	$·swapWholeStack(SB), R0
	MOVD	R0, swapWholeStack+8(FP)
	MOVD	$·restoreOwnStack(SB), R0
	MOVD	R0, restoreOwnStack+16(FP)
	MOVD	$·ownCoro(SB), R0
	MOVD	R0, ownCoro+24(FP)
	RET

// func controlWords() uint64
TEXT ·controlWords(SB), NOSPLIT|NOFRAME, $0-8
	MOVD	FPCR, R0
	MOVD	R0, ret+0(FP)
	RET

// func setControlWords(w uint64)
TEXT ·setControlWords(SB), NOSPLIT|NOFRAME, $0-8
	MOVD	w+0(FP), R0
	MOVD	R0, FPCR
	RET
