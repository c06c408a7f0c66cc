//go:build linux || (windows && !cgo)

#include "go_asm.h"
#include "textflag.h"
#include "funcdata.h"

// The switch from one goroutine of a thread to another one, without the scheduler.
//
// Contract
//
//	func fastSwitch(t *Thread, to *Coro) (int, *Thread)	AX, BX; R14 is g
//		Suspends the calling goroutine, which must be the one that t.gp names,
//		and goes on with the goroutine of `to`, which is a plain coroutine. Returns
//		Returned or Jumped when somebody has switched back, and with whose record
//		that was done, or nil. Refused: nothing was done, since one of the
//		conditions of the ordinary case does not hold.
//
//	func slowSwitch(t *Thread, to uintptr) bool		AX, BX; R14 is g
//		The same after Thread.exchangeState, which has seen to all conditions but those
//		of an instant: false if somebody has the scan bit of `to` just now, or a
//		goroutine profile or an execution trace is being taken.
//
//	func slowSwitchInC(t *Thread, to uintptr) bool
//		slowSwitch for a goroutine that has C frames.
//
// All three are called through func values, so by the internal ABI, in which no register but
// SP, BP, R14 and X15 is preserved over a call. None of them has a frame (slowSwitchInC has one that
// ends the chain of frame pointers): what is suspended is the caller.
//
// A goroutine that was suspended here:
//
//	        high addresses
//	      +----------------------+
//	      | frame of the caller  |   Greenlet.Switch, say
//	      +----------------------+ <- g.sched.bp points into it
//	+0x00 | return address       |   into the caller
//	      +----------------------+ <- g.sched.sp
//	        low addresses
//
//	g.sched.pc is fastResumed or slowResumed: the place where runtime.gogo goes on with it, and by
//	which we see that it was suspended in the same way as we are, and a RET will do.
//
// A fresh one, or one that runtime.coroswitch has suspended, is resumed as gogo does it,
// by a jump to g.sched.pc with g.sched.ctxt in DX.
//
// The order in which it goes, and why:
//
//  1. The target is taken by a compare-and-swap (see TAKE_TARGET).
//  2. The own place is saved; m.curg, the locks' links, g's thread-local word and R14
//     exchanged. A signal that comes in between finds the one g and the other's SP. It
//     returns to both as they are: assembly is never preempted (isAsyncSafePoint,
//     preempt.go), and a profile's traceback goes by SP. There are no signals on Windows: see
//     LEAVE_STACK.
//  3. On the target's stack now, the own goroutine is released by a compare-and-swap (see
//     RELEASE_SELF). From there on the collector may move its stack.
//
// Registers, from the checks on, in all of this:
//
//	AX, CX, DX	scratch; before the target goes on, DX: where the one that stops goes on
//	BX		the target's g
//	DI		the Thread
//	R8		the M
//	R9		where the caller of our caller was called, or 0; see RESUME_TARGET
//	R10		the g that stops, once R14 is the target's
//	R14		g, of whoever runs
//
// The processor predicts where a RET goes by the calls of the stack that is left. That is
// right as long as both sides were called at the same places. One level up they are, since
// all switches are in a few functions; two levels up, in the user's code, they need not be.
// So the return addresses there are compared (each is above its saved frame pointer). If
// they differ, we return by a jump and say so, and our caller does the same (returnFromCaller): then
// the prediction is not used, nor spoilt for those above.

#define Grunning 2
#define Gwaiting 4
#define Gscan 0x1000
#define ControlMask 0xffc0	// MXCSR but for what has happened, which any arithmetic changes

// TAKE_TARGET(refused) takes the target, BX, in a tree that is bound to its thread.
//
// Who else writes the status of a goroutine that waits: whoever scans its stack or shrinks it
// (suspendG, preempt.go: the collector, a goroutine dump, Coro.Snapshot) sets the bit _Gscan in it
// and takes it back. While the bit is set the compare-and-swap fails, and the switch is
// refused: waiting for it here, without a safe point, could be long. No one else switches to
// the target, which belongs to this thread.
//
// g.m is set before, because suspendG follows it as soon as it sees _Grunning. If the
// compare-and-swap fails, the caller clears it.
#define TAKE_TARGET(refused) \
	MOVQ	R8, const_gM(BX); \
	MOVL	$Gwaiting, AX; \
	MOVL	$Grunning, CX; \
	LOCK; \
	CMPXCHGL	CX, const_gStatus(BX); \
	JNE	refused

// SAVE_SELF saves where the goroutine that runs, R14, goes on: at DX, with the present SP and
// BP. Tracebacks and the collector read that once it waits.
#define SAVE_SELF \
	MOVQ	DX, const_gSchedPC(R14); \
	MOVQ	SP, const_gSchedSP(R14); \
	MOVQ	BP, const_gSchedBP(R14); \
	MOVBLZX	·waitReason(SB), AX; \
	MOVB	AX, const_gWaitReason(R14)

// LEAVE_STACK goes to the M's own stack, on Windows, while m.curg changes, and puts nothing there.
// A thread is stopped from outside there, between any two instructions, and whoever looks at it
// finds its goroutine by SP, which has to be in the stack of m.g0 or of m.curg (gFromSP,
// os_windows.go). In the old stack it would be in neither, and a profile's traceback follow a
// nil (sigprof, proc.go; initAt, traceback.go), which ends the process. Of a g0 the traceback
// ends at this function, as anywhere in here, and a preemption is refused (isAsyncSafePoint).
// On Linux a signal's handler looks, and has g from where Go has it.
#ifdef GOOS_windows
#define LEAVE_STACK \
	MOVQ	const_mG0(R8), CX; \
	MOVQ	const_gSchedSP(CX), SP
#else
#define LEAVE_STACK
#endif

// BECOME_TARGET makes the target the goroutine that runs on the M, and goes on on its stack.
// sysmon and the collector read m.curg to ask for a preemption (preemptone, proc.go); one that
// is late asks the goroutine that has just stopped, and is made up for by the next.
#define BECOME_TARGET \
	LEAVE_STACK; \
	MOVQ	BX, const_mCurg(R8); \
	MOVQ	R14, R10; \
	MOVQ	TLS, CX; \
	MOVQ	BX, 0(CX)(TLS*1); \
	MOVQ	BX, R14; \
	MOVQ	const_gSchedSP(BX), SP; \
	MOVQ	const_gSchedBP(BX), BP

// RELEASE_SELF makes the goroutine that stops, R10, one that waits.
//
// Its status is _Grunning, and others set and clear _Gscan in it as well: suspendG takes the
// bit of one that runs to ask it for a preemption, and gives it back a few instructions later
// (castogscanstatus, casfrom_Gscanstatus; proc.go). So the compare-and-swap is repeated until
// it succeeds; nobody who has that bit waits for us.
//
// g.m is cleared afterwards: nobody who sees _Gwaiting follows it. In a free tree the store is
// what Coro.Claim waits for before it moves the coroutine.
#define RELEASE_SELF \
	MOVL	$Grunning, AX; \
	MOVL	$Gwaiting, CX; \
	LOCK; \
	CMPXCHGL	CX, const_gStatus(R10); \
	JNE	wait; \
released: \
	MOVQ	$0, const_gM(R10)

#define RELEASE_SELF_AGAIN \
wait: \
	PAUSE; \
	MOVL	$Grunning, AX; \
	MOVL	$Gwaiting, CX; \
	LOCK; \
	CMPXCHGL	CX, const_gStatus(R10); \
	JEQ	released; \
	JMP	wait

// FIND_TARGET goes to `other` unless the target was suspended in the same way as we are, at DX.
// What it gets back from there is the Thread, in BX.
#define FIND_TARGET \
	MOVQ	const_gSchedPC(BX), CX; \
	CMPQ	CX, DX; \
	JNE	other; \
	MOVQ	DI, BX

// RESUME_TARGET returns to whoever has called on the target's stack: by a RET if that was at
// the place where we were called (R9), else by a jump; see above. `other` is for a target that
// was suspended elsewhere: as gogo, it passes sched.ctxt and clears it, for the next traceback.
#define RESUME_TARGET \
	CMPQ	R9, 8(BP); \
	JEQ	alike; \
	MOVL	$const_Jumped, AX; \
	MOVQ	0(SP), CX; \
	LEAQ	8(SP), SP; \
	JMP	CX; \
alike: \
	MOVL	$const_Returned, AX; \
	RET; \
other: \
	MOVQ	const_gSchedCtxt(BX), DX; \
	MOVQ	$0, const_gSchedCtxt(BX); \
	JMP	CX

// func fastSwitch(t *Thread, to *Coro) (int, *Thread)
TEXT ·fastSwitch(SB), NOSPLIT|NOFRAME, $0-0
	CMPQ	R14, Thread_gp(AX)
	JNE	refuse			// an iter.Pull's, or of another thread or tree
	MOVQ	BX, R11			// the Coro, for a free tree
	MOVQ	Coro_g(BX), BX
	CMPQ	BX, R14
	JEQ	refuse			// to itself: there is nothing to switch
	MOVQ	const_gM(R14), R8
	CMPL	const_gProfiled(R14), $0
	JNE	refuse			// a goroutine profile records each before it runs
	MOVQ	const_mTraceBuf0(R8), DX
	ORQ	const_mTraceBuf1(R8), DX
	JNE	refuse			// an execution trace records each switch
	CMPB	Thread_free(AX), $0
	JNE	free
	MOVQ	const_mG0(R8), SI
	MOVQ	const_mNcgocall(R8), DX
	CMPQ	DX, Thread_ncgocall(AX)
	JNE	called
quiet:					// no C has run since the last look
	MOVQ	AX, DI
	CMPQ	R14, Thread_rootG(DI)
	JEQ	fromroot
	MOVQ	const_gSchedSP(SI), DX
	CMPQ	DX, Thread_base(DI)
	JNE	refuse			// C frames, or not the plain stack
	MOVQ	const_mLocks(R8), DX
	CMPQ	DX, Thread_locks(DI)
	JNE	refuse			// it has locked itself to the thread
	TAKE_TARGET(busy)
	CMPQ	BX, Thread_rootG(DI)
	JEQ	toroot
	MOVQ	8(BP), R9
	LEAQ	·fastResumed(SB), DX
	JMP	transfer<>(SB)

fromroot:				// lock counts and the C stack are other ones, and exchanged
	CMPL	const_mNcgo(R8), $0
	JNE	refuse			// C waits for the root
	CMPQ	Thread_base(DI), $0
	JEQ	refuse			// there is no plain stack
	TAKE_TARGET(busy)
	MOVQ	const_mLocks(R8), DX
	MOVQ	DX, Thread_rootLocks(DI)
	MOVQ	Thread_locks(DI), DX
	MOVQ	DX, const_mLocks(R8)
	MOVQ	const_gSchedSP(SI), DX
	MOVQ	(Thread_own+CStack_native)(DI), CX
	MOVQ	DX, 0(CX)		// where the next call of C on the own stack begins
	MOVQ	Thread_plain(DI), R9
	JMP	install
toroot:
	MOVQ	Thread_rootLocks(DI), DX
	MOVQ	DX, const_mLocks(R8)
	LEAQ	Thread_own(DI), R9
install:				// the C stack R9 into the g0, SI
	MOVUPS	CStack_lo(R9), X0
	MOVUPS	CStack_guard0(R9), X1
	MOVQ	CStack_native(R9), R9
	MOVQ	0(R9), DX
	MOVUPS	X0, 0(SI)
	MOVUPS	X1, const_gGuard0(SI)
	MOVQ	DX, const_gSchedSP(SI)
	MOVQ	Thread_current(DI), CX
	MOVQ	R9, 0(CX)		// the C core's current coroutine is that stack's
	MOVQ	8(BP), R9
	LEAQ	·fastResumed(SB), DX
	JMP	transfer<>(SB)

called:					// C has run: look at the exceptions and control words
	MOVQ	Thread_excs(AX), CX
	TESTQ	CX, CX
	JEQ	words			// there is no C++
	MOVQ	0(CX), R9
	MOVL	8(CX), CX
	ORQ	R9, CX
	JNE	refuse			// one is being handled
words:
	STMXCSR	Thread_seen(AX)
	ANDL	$ControlMask, Thread_seen(AX)
	FSTCW	(Thread_seen+4)(AX)
	MOVQ	Thread_seen(AX), CX
	CMPQ	CX, Thread_fpcw(AX)
	JNE	refuse			// C has changed them
	MOVQ	DX, Thread_ncgocall(AX)
	JMP	quiet

busy:					// see TAKE_TARGET
	MOVQ	$0, const_gM(BX)
refuse:
	XORL	AX, AX			// Refused
	XORL	BX, BX
	RET

// In a tree that is not bound to a thread. All that is the M's is read here, where nobody
// can be preempted and moved to another M. Whoever runs is not locked to it: then there are
// no C frames, and nothing else of the M's is the goroutine's own.
//
// Another goroutine may claim the target at the same time (Coro.Claim), and run it elsewhere.
// Claim writes Coro.t by a compare-and-swap and then reads the status; here the status is
// changed by a compare-and-swap, to the one with the scan bit, and then Coro.t read. Both are
// full barriers, so at least one of the two sees the other. Nothing of the target is written
// before that is known, not g.m either.
//
// The compare-and-swap fails if somebody has the scan bit (see TAKE_TARGET) or if the target
// was claimed and runs, or waits for something else of Go's. While we have the bit nobody else
// changes the status, so it is given back by a store.
free:
	CMPQ	R14, Thread_rootG(AX)
	JNE	ours
	MOVQ	const_gGoid(R14), DX	// a g is used again when its goroutine has ended
	CMPQ	DX, Thread_rootID(AX)
	JNE	refuse
ours:
	CMPQ	const_mLockedG(R8), $0
	JNE	refuse			// locked: there may be C frames or lock counts
	TESTQ	BX, BX
	JEQ	refuse			// it has ended, elsewhere
	MOVQ	AX, DI
	MOVL	$Gwaiting, AX
	MOVL	$(Gscan+Gwaiting), CX
	LOCK
	CMPXCHGL	CX, const_gStatus(BX)
	JNE	refuse
	CMPQ	DI, Coro_t(R11)
	JNE	claimed
	MOVQ	R8, const_gM(BX)
	MOVL	$Grunning, const_gStatus(BX)
	MOVQ	BX, Thread_gp(DI)
	LEAQ	·fastResumed(SB), DX
	SAVE_SELF
	MOVQ	8(BP), R9
	BECOME_TARGET
	RELEASE_SELF
	FIND_TARGET
	RESUME_TARGET
claimed:
	MOVL	$Gwaiting, const_gStatus(BX)
	JMP	refuse
	RELEASE_SELF_AGAIN

// func slowSwitch(t *Thread, to uintptr) bool
TEXT ·slowSwitch(SB), NOSPLIT|NOFRAME, $0-0
	MOVQ	AX, DI
	MOVQ	const_gM(R14), R8
	CMPL	const_gProfiled(R14), $0
	JNE	refuse
	MOVQ	const_mTraceBuf0(R8), DX
	ORQ	const_mTraceBuf1(R8), DX
	JNE	refuse
	TAKE_TARGET(busy)
	XORL	R9, R9			// Thread.Switch has one place that calls this
	LEAQ	·slowResumed(SB), DX
	JMP	transfer<>(SB)
busy:
	MOVQ	$0, const_gM(BX)
refuse:
	XORL	AX, AX
	RET

// transfer goes on with BX, which is taken, in a tree that is bound to its thread. On entry R14 is
// who stops; R8 the M; DI the Thread; DX where whoever stops goes on; R9 where its caller
// returns to, or 0. The lock to the thread is handed on as coroswitch_m does it (coro.go): only
// the thread itself writes these three words.
TEXT transfer<>(SB), NOSPLIT|NOFRAME, $0-0
	MOVQ	BX, Thread_gp(DI)
	SAVE_SELF
	MOVQ	$0, const_gLockedM(R14)
	MOVQ	BX, const_mLockedG(R8)
	MOVQ	R8, const_gLockedM(BX)
	BECOME_TARGET
	RELEASE_SELF
	FIND_TARGET
	TESTQ	R9, R9
	JEQ	alike
	RESUME_TARGET
	RELEASE_SELF_AGAIN

// Where gogo goes on with one that fastSwitch has suspended. It has no C frames, whatever
// whoever has switched to it had. In a tree that is not bound to a thread it need not be
// locked: then the lock counts are 0, and the rest of the lock ends here (see restoreM).
TEXT ·fastResumed(SB), NOSPLIT|NOFRAME, $0-0
	MOVQ	const_gM(R14), CX
	MOVL	$0, const_mNcgo(CX)
	CMPQ	const_mLocks(CX), $0
	JNE	done
	CMPQ	const_gLockedM(R14), $0
	JEQ	done
	MOVQ	$0, const_mLockedG(CX)
	MOVQ	$0, const_gLockedM(R14)
done:
	XORL	BX, BX
	MOVL	$const_Returned, AX
	RET

// func restoreM(ncgo int32)		AX, by the internal ABI
//
// What a goroutine does first that runtime.coroswitch has gone on with: it sets the number
// of its calls of C; and if its lock counts are 0, it is not locked, although coroswitch
// has handed the lock on to it. It changes AX, CX.
TEXT ·restoreM(SB), NOSPLIT|NOFRAME, $0-0
	MOVQ	const_gM(R14), CX
	MOVL	AX, const_mNcgo(CX)
	CMPQ	const_mLocks(CX), $0
	JNE	done
	CMPQ	const_gLockedM(R14), $0
	JEQ	done
	MOVQ	$0, const_mLockedG(CX)
	MOVQ	$0, const_gLockedM(R14)
done:
	RET

// func swapWholeStack(g0 uintptr, from, to *CStack)	AX, BX, CX, by the internal ABI
//
// swapStack for a tree that is not bound to a thread: the thread's own stack is one like the
// others there, so all that is known of it goes with it.
TEXT ·swapWholeStack(SB), NOSPLIT|NOFRAME, $0-0
	MOVUPS	0(AX), X0
	MOVUPS	const_gGuard0(AX), X1
	MOVUPS	X0, CStack_lo(BX)
	MOVUPS	X1, CStack_guard0(BX)
	MOVQ	const_gSchedPC(AX), DX
	MOVQ	DX, CStack_pc(BX)
	MOVQ	const_gSchedSP(AX), DX
	MOVQ	CStack_native(BX), BX
	MOVQ	DX, 0(BX)
	MOVUPS	CStack_lo(CX), X0
	MOVUPS	CStack_guard0(CX), X1
	MOVQ	CStack_pc(CX), DX
	MOVQ	CStack_native(CX), CX
	MOVQ	0(CX), CX
	MOVUPS	X0, 0(AX)
	MOVUPS	X1, const_gGuard0(AX)
	MOVQ	DX, const_gSchedPC(AX)
	MOVQ	CX, const_gSchedSP(AX)
	RET

// restoreOwnStack
//
// Contract: it is g0.sched.pc while a stack that swapWholeStack has put there is in place. gdestroy
// goes on there when a locked goroutine ends and the thread is to end, on that stack, at
// whose base the record of the thread's own lies (ownAt). It puts that in place and
// goes on where the thread would have ended. R14 is the g0.
TEXT ·restoreOwnStack(SB), NOSPLIT|NOFRAME, $0-0
	MOVQ	const_ownAt(SP), CX
	MOVUPS	CStack_lo(CX), X0
	MOVUPS	CStack_guard0(CX), X1
	MOVUPS	X0, 0(R14)
	MOVUPS	X1, const_gGuard0(R14)
	MOVQ	CStack_exitSP(CX), SP
	MOVQ	SP, const_gSchedSP(R14)
	MOVQ	CStack_pc(CX), DX
	MOVQ	DX, const_gSchedPC(R14)
	JMP	DX

// func ownCoro() uintptr, by the internal ABI.
//
// The runtime.coro that the calling goroutine began with, if it is one of newcoro's.
TEXT ·ownCoro(SB), NOSPLIT|NOFRAME, $0-0
	XORL	AX, AX
	MOVQ	const_gStartPC(R14), CX
	CMPQ	CX, ·freshPC(SB)
	JNE	none
	MOVQ	8(R14), CX
	SUBQ	·coroAt(SB), CX
	MOVQ	(CX), AX
none:
	RET

// func coroOf(gp uintptr) (c uintptr, ok bool)
//
// ownCoro for a goroutine that waits. False: somebody has its scan bit.
TEXT ·coroOf(SB), NOSPLIT|NOFRAME, $0-17
	MOVQ	gp+0(FP), BX
	MOVL	$Gwaiting, AX
	MOVL	$(Gscan+Gwaiting), CX
	LOCK
	CMPXCHGL	CX, const_gStatus(BX)
	JNE	scanned
	XORL	DX, DX
	MOVQ	const_gStartPC(BX), CX
	CMPQ	CX, ·freshPC(SB)
	JNE	none
	MOVQ	8(BX), CX
	SUBQ	·coroAt(SB), CX
	MOVQ	(CX), DX
none:
	MOVL	$Gwaiting, const_gStatus(BX)
	MOVQ	DX, c+8(FP)
	MOVB	$1, ok+16(FP)
	RET
scanned:
	MOVQ	$0, c+8(FP)
	MOVB	$0, ok+16(FP)
	RET

// The same for slowSwitch; Thread.resume sees to the rest.
TEXT ·slowResumed(SB), NOSPLIT|NOFRAME, $0-0
	MOVL	$1, AX
	RET

// The tracer unwinds goroutines that wait by their frame pointers, which lead from here
// into C. So the chain ends here.
TEXT ·slowSwitchInC(SB), NOSPLIT, $8-0
	NO_LOCAL_POINTERS
	XORL	BP, BP
	CALL	·slowSwitch(SB)
	RET

// func coroswitchInC(c *coro)
// The same for runtime.coroswitch, which is called by the internal ABI.
TEXT ·coroswitchInC(SB), NOSPLIT, $8-8
	NO_LOCAL_POINTERS
	MOVQ	c+0(FP), AX
	MOVQ	·coroswitch(SB), DX
	MOVQ	(DX), CX
	XORL	BP, BP
	CALL	CX
	RET

// swapStack(g0 uintptr, from, to *CStack): AX, BX, CX; internal ABI. Takes the C stack
// `from` out of a g0 and puts `to` there.
TEXT ·swapStack(SB), NOSPLIT|NOFRAME, $0-0
	MOVQ	const_gSchedSP(AX), DX
	MOVQ	CStack_native(BX), BX
	MOVQ	DX, 0(BX)
	MOVUPS	CStack_lo(CX), X0
	MOVUPS	CStack_guard0(CX), X1
	MOVQ	CStack_native(CX), CX
	MOVQ	0(CX), DX
	MOVUPS	X0, 0(AX)
	MOVUPS	X1, const_gGuard0(AX)
	MOVQ	DX, const_gSchedSP(AX)
	RET

// func resetG(gp uintptr, c unsafe.Pointer) bool
//
// Makes a goroutine that waits as newcoro makes it, for the coro c. False: somebody has
// its scan bit. In assembly, since whoever has it must not be preempted.
TEXT ·resetG(SB), NOSPLIT|NOFRAME, $0-17
	MOVQ	gp+0(FP), BX
	MOVQ	c+8(FP), DX
	MOVL	$Gwaiting, AX
	MOVL	$(Gscan+Gwaiting), CX
	LOCK
	CMPXCHGL	CX, const_gStatus(BX)
	JNE	scanned
	MOVQ	const_gStktopSP(BX), CX
	SUBQ	·freshDepth(SB), CX
	MOVQ	CX, const_gSchedSP(BX)
	MOVQ	·freshPC(SB), CX
	MOVQ	CX, const_gSchedPC(BX)
	MOVQ	·freshCtxt(SB), CX
	MOVQ	CX, const_gSchedCtxt(BX)
	MOVQ	DX, const_gCoroarg(BX)
	XORL	CX, CX
	MOVQ	CX, const_gSchedBP(BX)
	MOVQ	CX, const_gSyscallSP(BX)
	MOVQ	CX, const_gSyscallPC(BX)
	MOVQ	CX, const_gSyscallBP(BX)
	MOVQ	CX, const_gPanic(BX)
	MOVQ	CX, const_gDefer(BX)
	MOVQ	CX, const_gCgoCtxt(BX)
	MOVQ	CX, (const_gCgoCtxt+8)(BX)
	MOVQ	CX, (const_gCgoCtxt+16)(BX)
	MOVB	CX, const_gPanicOnFault(BX)
	MOVB	CX, const_gThrowSplit(BX)
	MOVQ	0(BX), CX		// the guard is another one in a system call
	ADDQ	·stackGuard(SB), CX
	MOVQ	CX, const_gGuard0(BX)
	MOVL	$Gwaiting, const_gStatus(BX)
	MOVB	$1, ret+16(FP)
	RET
scanned:
	MOVB	$0, ret+16(FP)
	RET

// currentG() uintptr, by the internal ABI: getg.
TEXT ·currentG(SB), NOSPLIT|NOFRAME, $0-0
	MOVQ	R14, AX
	RET

// returnFromCaller returns from its caller, whose frame BP belongs to, with its own arguments, which
// are in the registers where the caller's results belong. See Return.
TEXT ·returnFromCaller(SB), NOSPLIT|NOFRAME, $0-0
	MOVQ	BP, SP
	MOVQ	0(SP), BP
	MOVQ	8(SP), DX
	LEAQ	16(SP), SP
	JMP	DX

// func pcs() (fastSwitch, slowSwitch, slowSwitchInC, swapStack, currentG, returnFromCaller uintptr)
TEXT ·pcs(SB), NOSPLIT|NOFRAME, $0-48
	LEAQ	·fastSwitch(SB), AX
	MOVQ	AX, fastSwitch+0(FP)
	LEAQ	·slowSwitch(SB), AX
	MOVQ	AX, slowSwitch+8(FP)
	LEAQ	·slowSwitchInC(SB), AX
	MOVQ	AX, slowSwitchInC+16(FP)
	LEAQ	·swapStack(SB), AX
	MOVQ	AX, swapStack+24(FP)
	LEAQ	·currentG(SB), AX
	MOVQ	AX, currentG+32(FP)
	LEAQ	·returnFromCaller(SB), AX
	MOVQ	AX, returnFromCaller+40(FP)
	RET

// func freePCs() (restoreM, swapWholeStack, restoreOwnStack, ownCoro uintptr)
TEXT ·freePCs(SB), NOSPLIT|NOFRAME, $0-32
	LEAQ	·restoreM(SB), AX
	MOVQ	AX, restoreM+0(FP)
	LEAQ	·swapWholeStack(SB), AX
	MOVQ	AX, swapWholeStack+8(FP)
	LEAQ	·restoreOwnStack(SB), AX
	MOVQ	AX, restoreOwnStack+16(FP)
	LEAQ	·ownCoro(SB), AX
	MOVQ	AX, ownCoro+24(FP)
	RET

// func controlWords() uint64
// MXCSR and the x87 control word.
TEXT ·controlWords(SB), NOSPLIT, $8-8
	MOVQ	$0, 0(SP)
	STMXCSR	0(SP)
	ANDL	$ControlMask, 0(SP)
	FSTCW	4(SP)
	MOVQ	0(SP), AX
	MOVQ	AX, ret+0(FP)
	RET

// func setControlWords(w uint64)
TEXT ·setControlWords(SB), NOSPLIT, $8-8
	MOVQ	w+0(FP), AX
	MOVQ	AX, 0(SP)
	LDMXCSR	0(SP)
	FLDCW	4(SP)
	RET
