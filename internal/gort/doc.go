// Package gort holds what this module knows of the Go runtime's insides, and the engines that
// work with it. The root package knows no field of the runtime's structs and no name of an
// unpublished function; csrc/fiber_onem.c, which is C and works with some fields, gets their
// offsets from here, in a struct (FiberLayout).
//
// # What lives where
//
//   - onem.go, coro.go, switch.go, end.go, cstack.go, pin.go: the engine of one M, for trees
//     that are bound to a thread. free.go: for trees that are not. trial.go: its trial at start.
//   - switch_*.s: the switch. switch_amd64.s has the contract and the order in which it goes.
//   - fiber.go, fiber_*.s: what the fibers of csrc need.
//   - snapshot.go: a look at the stack of another goroutine.
//   - offsets*.go, check.go, find.go: the layout for each version of Go, the check of it, and
//     the search for functions. gen writes the former. read_*.go reads what may not be there.
//   - lines.go, measure.go: the engine on the runtime's coroutines, which knows no layout.
//   - getg, gslot, local, hooks, cgocall, clock, labels, callers, ticks, carry, store: small
//     tools that more than one engine uses.
//
// # What all engines rely on
//
// Published by the runtime with push linknames, which the linker allows:
//
//   - runtime.cgocall (cgocall.go): a call of C without cgo's wrapper.
//   - runtime.nanotime (clock.go): the clock.
//   - runtime/pprof.runtime_getProfLabel, runtime/pprof.runtime_setProfLabel, and that labels
//     are a struct that begins with a sorted slice of pairs of strings (labels.go).
//   - _cgo_getstackbound, _cgo_bindm (hooks.go): C functions, called as csrc/go_m.c says.
//
// By name, among the callers (callers.go): runtime.doInit1 and plugin.open, for the
// initialisation of packages; runtime.cgocallback and runtime.goexit, for Go frames below a
// call from C. A name that is missing makes the answer a wrong one; no check at start covers
// them, but tests do (TestAGreenletDuringInitialisation, and those of GLET_EFRAMES).
//
// By convention:
//
//   - The register that Go code has g in (getg_*.s; cmd/compile/abi-internal.md), and the
//     thread-local word that C and assembly find it in (gslot_amd64.s, csrc/go_slot.c). Check:
//     glet_go_slot_verify and GSlotHoldsG, from two threads.
//   - The first line of a goroutine dump, "goroutine 7 [running]:" (measure.go, check.go).
//
// The portable engine uses nothing else of this package. csrc/go_m.c, go_thread.c and go_slot.c
// name the functions of the runtime whose behaviour it relies on, and runtime/cgo's crosscall2,
// which fiber_onem.c calls, too.
//
// # What the engine on the runtime's coroutines relies on
//
//   - runtime.corostart is among the callers in an iter.Pull, and runtime.newcoro,
//     runtime.coroswitch and runtime.coroexit are in the program's text (lines.go). Check:
//     FindLines finds them, or iter.Pull itself is used.
//   - g.lockedm, m.lockedExt and m.lockedInt side by side, g.goid and g.atomicstatus, at places
//     that are measured (measure.go). Check: each is found in exactly one place.
//
// # What the engine of one M relies on
//
// All of it is for the versions that are listed in offsets_go1NN.go only. The files are those
// of this package; check says what is compared with live structs before the engine is used, by
// checkOffsets (check.go) unless another function is named. Where it says none, the table, which
// is read from the DWARF of each version, is all that vouches; Thread.Try (trial.go) makes a
// switch of each kind after that, so a switch has used all that it needs once.
//
// Fields of runtime.g; offsets.go says what each is for, and why that is sound:
//
//	constant       used by                                      check
//	gGuard0        switch, onem, fiber: bounds of a g0's stack  the two guards of a g0 are equal; find: at a small distance
//	gM             all                                          g.m.g0.m is g.m; nil in a suspended one
//	gSchedSP       switch, cstack, free, fiber                  lies in the stack, of a g0 and of a suspended one
//	gSchedPC       switch, fiber                                find: in coroswitch, and corostart in a new one
//	gSchedCtxt     switch, fiber                                nil in a suspended one; find: the closure in a new one
//	gSchedLR       switch_arm64.s, fiber                        find: goexit in a new one (arm64)
//	gSchedBP       switch, fiber                                lies in the stack of a suspended one
//	gStktopSP      resetG, fiber                                lies in the stack of a suspended one
//	gStatus        switch, snapshot, free, fiber                _Grunning of the caller, _Gwaiting of a suspended one
//	gWaitReason    switch, fiber                                find: the same in two kinds of suspended ones
//	gGoid          free, switch                                 the number in a dump
//	gStartPC       free (CurrentCoro), switch                   find: corostart in a new one
//	gLockedM       switch, end, free, fiber                     the M of the caller, nil in a suspended one
//	gProfiled      switch                                       0 or a small number
//	gBubble        onem, free                                   none
//	gFipsBypass    Coro.Inherit; 0: Go 1.24, 1.25 have no such  0 or 1
//	gDitWanted     the same                                     0 or 1
//	gSyscallSP     resetG, fiber                                0 in a suspended one
//	gSyscallPC     resetG, fiber                                none
//	gSyscallBP     resetG, fiber                                none
//	gPanic         resetG, fiber                                none
//	gDefer         resetG, fiber                                none
//	gPanicOnFault  resetG                                       0 or 1
//	gThrowSplit    resetG, fiber                                0 or 1
//	gCgoCtxt       resetG, end, snapshot                        empty in a suspended one
//	gCoroarg       resetG                                       nil in both
//
// Fields of runtime.m:
//
//	mG0            all                                          with gM
//	mCurg          switch, fiber                                the caller
//	mLockedG       switch, fiber                                the caller
//	mLocks         switch, pin, end, free, fiber                counts LockOSThread
//	mNcgo          switch, end, free, fiber                     small
//	mNcgocall      switch, onem                                 none
//	mIncgo         fiber                                        0 in Go
//	mIsExtra       onem                                         0 or 1
//	mAccurate      switch, fiber                                0 or 1
//	mTraceBuf0     switch, fiber                                none
//	mTraceBuf1     switch, fiber                                none
//
// On Windows, and without cgo there, the same. runtime.m begins with other fields there, so it has
// tables of its own (offsets_*_windows_amd64.go). What is relied on besides:
//
//   - A profile and a preemption stop the thread from outside and find its goroutine by SP, in
//     m.g0's stack or m.curg's (profilem, preemptM, gFromSP; os_windows.go): LEAVE_STACK in
//     switch_amd64.s. Check: none; TestSwitchesThatAreLookedAt.
//   - Of a profile's traceback, no frame is looked for above a function that writes SP, also on a
//     g0 (resolveInternal, traceback.go): the same.
//   - A slot of the thread's environment block has the address of m.tls, which has g; the
//     assembler's name TLS means all of that (progedit in cmd/internal/obj/x86/obj6.go,
//     runtime.tls_g, settls), as in runtime.gogo. Exceptions find g there (sigtramp), and calls
//     of Windows (asmcgocall). Check: none; where it is wrong, no such call works.
//   - Nothing else of a thread belongs to a goroutine: no word of the environment block has the
//     bounds of its stack, and m.winsyscall, libcallg, stdCallInfo and preemptExtLock are in use
//     during a call of Windows only (syscall_syscalln, syscall_windows.go; stdcall,
//     osPreemptExtEnter, os_windows.go).
//   - A call of Windows is a call of C (cgocall), and calls back as C does (cgocallback): m.ncgo,
//     m.ncgocall and g0.sched.sp are what they are with cgo. There are no C stacks, so whoever
//     is called back is not left (Thread.InCallback). Check: none; TestNoGreenletIsLeftInACallback.
//   - debug.SetPanicOnFault, by which wrong addresses are read (read_windows.go).
//
// Other layouts:
//
//   - g begins with stack.lo, stack.hi, stackguard0, stackguard1. Check: aroundSP, find.
//   - lockedExt and lockedInt lie side by side, so mLocks names both. Check: none.
//   - runtime.coro is gp, f, mp, lockedExt, lockedInt (find.go). Check: find makes one and switches.
//   - A func value points to its code's address, which is followed by what it has captured
//     (find.go, memory.go). Check: findOwnCoro.
//   - corostart's frame, the outermost of a goroutine of newcoro's, keeps the coro at a fixed
//     distance from the end of the stack (coroAt, free.go). Check: findOwnCoro finds it there.
//   - cgocallback saves the old g0.sched.sp at savedSPAt above the new one (free.go, free_*.go).
//     Check: none.
//
// Functions that are found by their places, since the linker allows no linkname for them:
// runtime.newcoro, runtime.coroswitch and runtime.corostart (find.go), runtime.reentersyscall
// (fiber.go), runtime.gcallers (snapshot.go), runtime.goexit (find.go, fiber.go). Check: each
// must have that name by runtime.FuncForPC, or there is no engine, no fibers, or no snapshots.
// runtime.procPin and runtime.procUnpin (snapshot.go) are published.
//
// Numbers: _Grunnable, _Grunning, _Gsyscall, _Gwaiting, _Gdead and the bit _Gscan (runtime2.go;
// measure.go, snapshot.go, switch_*.s, csrc/fiber_onem.c), stackPreempt (csrc/fiber_onem.c); the
// wait reason of a coroutine, the distance of a stack's guard, and what a goroutine of newcoro's
// is like that has not run are read from live ones (find.go). Check: _Grunning and _Gwaiting.
//
// Conventions and behaviour, each named where it is used with the functions to be read again at
// the next release:
//
//   - The internal ABI: arguments and results in registers, g, the closure register, frame
//     pointers, nothing else preserved (switch_*.s, fiber_*.s).
//   - Assembly is not preempted (isAsyncSafePoint, preempt.go).
//   - How the runtime itself switches and gives up: coroswitch_m, coroexit (coro.go), mcall, gogo,
//     gosave_systemstack_switch (asm_*.s), gdestroy, mexit (proc.go): switch_*.s, switch.go, end.go.
//   - A goroutine of newcoro's does not use its function any more when that has returned, and
//     goes on with no other one before it has ended (corostart, coroexit, coroswitch_m; coro.go):
//     so Make may be given its Coro again (coro.go). Check: none; TestAPrivateTreeIsUsedAgain and
//     TestARetiredWorkerIsUsedAgain of package greenlet.
//   - Who takes a goroutine's scan bit, and for how long: suspendG (preempt.go),
//     castogscanstatus, casfrom_Gscanstatus (proc.go): switch_*.s, snapshot.go, csrc/fiber_onem.c.
//   - When a tracer or profiler wants to hear of a switch: traceAdvance (trace.go),
//     tryRecordGoroutineProfile (mprof.go): switch.go.
//   - How C is called and calls back: asmcgocall, cgocallback (asm_*.s), cgocallbackg,
//     callbackUpdateSystemStack (cgocall.go), reentersyscall, exitsyscall (proc.go): onem.go,
//     switch.go, fiber.go, fiber_*.s, csrc/fiber_onem.c.
package gort
