package gort

// The constants of offsets_go1NN.go say where fields of runtime.g and runtime.m are, for
// package-level assembly and for the Go code of the engine. A CPU or a system on which one is
// elsewhere has a file of its own. What is relied on:
//
//	gGuard0 (and the word before and after it, stack.hi and stackguard1): the bounds of
//	    a stack. A g0's are exchanged when another C stack is put in its place.
//	gM, mCurg, mG0: who runs where. A switch writes g.m of both and m.curg, as
//	    coroswitch_m does (coro.go).
//	gSched*: where a suspended goroutine goes on; a switch writes sp, pc and bp (and lr
//	    where there is a link register), as gosave_systemstack_switch and mcall do. In a
//	    g0, sched.sp is where the next call of C or of systemstack begins.
//	gStatus: a switch makes it _Gwaiting and _Grunning with compare-and-swap, so the
//	    collector's scan bit (castogscanstatus) is respected.
//	gWaitReason: for dumps: waitReasonCoroutine.
//	gGoid: tells goroutines apart, since a g is used again (newproc1).
//	gStartPC: is corostart in those that newcoro has made.
//	gLockedM, mLockedG, mLocks (lockedExt and lockedInt, side by side): the goroutine
//	    that runs is the one that is locked to the thread (stoplockedm, coroswitch_m).
//	gProfiled: not 0 while a goroutine profile is under way, and then the official
//	    switch is taken (tryRecordGoroutineProfile, mprof.go).
//	gBubble: the goroutine is in a synctest bubble: the official switch counts.
//	gFipsBypass, gDitWanted: what newproc1 gives a new goroutine of the one that makes it,
//	    besides the profiler labels; see Coro.Inherit.
//	gSyscall*, gStktopSP, gPanic, gDefer, gPanicOnFault, gThrowSplit, gCgoCtxt, gCoroarg:
//	    what makes a goroutine that is to be given up as it was when it was new
//	    (newproc1, proc.go; corostart, coro.go).
//	mNcgo: how many calls of C the goroutine that runs is in; the tracer unwinds those
//	    that are in any without frame pointers (hasCgoOnStack).
//	mNcgocall: counts calls of C; only they can have changed the control words.
//	mIncgo, mIsExtra, mAccurate (g0StackAccurate): what a call from C looks at
//	    (callbackUpdateSystemStack, cgocall.go).
//	mTraceBuf0, mTraceBuf1: not nil after the M has written an event of an execution
//	    trace; see Thread.SwitchFast.
