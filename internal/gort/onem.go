package gort

import "unsafe"

//lint:file-ignore U1000 staticcheck does not read assembly

// The engine of one M. A greenlet is a goroutine that runs on its root's own M, and is
// switched without the scheduler, as runtime.coroswitch does it for iter.Pull.
//
// C code runs on the stack of the M's g0. Coroutines that have no C frames share one C
// stack, the plain one. A coroutine that stops with C frames on it keeps that stack, and
// the next one that needs a stack gets another; when it goes on, its own is put back. So
// a coroutine owns a C stack exactly while C is suspended on it. The root has its
// thread's own, always: that is where the thread ends (mexit).
//
// Invariants, while one of a thread's coroutines runs:
//
//   - m.curg, m.lockedg and Thread.gp name its goroutine (unless an iter.Pull of its own
//     runs for it; then gp names who resumed that, or nobody).
//   - The bounds and sched.sp of m.g0 are those of the stack in place, and the C core's
//     word for the thread's current coroutine names that stack's record.
//   - m.ncgo is the number of its own calls of C, m.lockedExt and m.lockedInt are its own
//     lock counts, and at least one of them is not 0.
//   - A suspended coroutine is plain, or it is resumed by Switch only.

// This file holds the record of a thread. coro.go has coroutines and their beginning, switch.go
// the switch, end.go the ends, cstack.go the C stacks, pin.go the lock counts of a root, trial.go
// the switches that are tried at start, and free.go trees that are not bound to a thread.

// A Thread is what the engine keeps for an OS thread, from its first root to its end.
type Thread struct {
	// What the assembly works with.
	gp        uintptr // the goroutine that the last switch went to; 0: none that SwitchFast may go on from
	rootG     uintptr // the root's goroutine; 0: SwitchFast does not go from or to the root
	rootID    uint64  // the number of the root's goroutine, in a free tree: a g is used again
	free      bool    // the record is that of a free tree, which is bound to no thread; see free.go
	base      uintptr // the plain stack's base; 0: that stack is not in place, or there is none
	locks     uint64  // m.lockedExt and lockedInt while a plain coroutine runs
	ncgocall  uint64  // m.ncgocall when the control words were last seen to be the thread's
	fpcw      uint64  // the thread's floating-point control words
	current   uintptr // address of the C core's word that names the thread's current coroutine
	rootLocks uint64  // m.lockedExt and lockedInt of the root, while it is suspended
	excs      uintptr // address of the C++ runtime's exceptions; 0: there is no C++ in the program
	seen      uint64  // scratch memory for the control words, which have no way into a register
	plain     *CStack // which all share that have no C frames; nil: there is none just now
	own       CStack  // the thread's own, which the root has

	m        uintptr // the M, which is compared at each switch
	inPlace  *CStack // what is in the g0 while a greenlet runs; while the root runs: plain
	root     Coro
	isExtra  bool      // the thread is C's, so the M is one that needm gave it
	official bool      // all switches are the runtime's: race detector, synctest bubble, a thread of others where there is no C
	accurate uint8     // m.g0StackAccurate while the root runs
	stacks   *Stacks   // makes and frees C stacks
	spare    []*CStack // those that nobody uses
	c        coro      // the argument of coroswitch

	// Where there is no C, all run on the thread's own stack, which is the plain one, too.
	only CStack
	sp   uintptr // its g0.sched.sp, which never changes
	word uintptr // for what the C core would know

	// Owner is the caller's.
	Owner unsafe.Pointer

	freeTree
	osThreadState // of an OS thread

	// Officials counts the switches that the runtime did although SwitchFast or slowSwitch was asked.
	Officials int
}

// NewThread returns the record of the calling thread. current is the address of the C
// core's word for who is current there, native the record of the thread's own stack,
// and exceptions the address of the C++ runtime's, or 0. Without stacks there is no C, and
// the rest is 0.
func NewThread(stacks *Stacks, current, native, exceptions uintptr) *Thread {
	t := &Thread{stacks: stacks, current: current, excs: exceptions}
	t.own.native = native
	return t
}

// Enter makes the calling goroutine, which is locked to the thread, the root.
//
//go:norace
func (t *Thread) Enter() *Coro {
	t.raceAcquire()
	g := getg()
	m := *at[uintptr](g + gM)
	t.m = m
	// Greenlets run with the root's lock counts, since an iter.Pull is to be used with those
	// that it was made with (coroswitch_m, coro.go): so one of the root's works in its
	// greenlets, and the other way round. See Pin.
	t.locks = *at[uint64](m + mLocks)
	t.isExtra = *at[uint8](m + mIsExtra) != 0
	t.bubble = *at[uintptr](g + gBubble) != 0
	// Where there are no C stacks the root's is that of all others, and SwitchFast could not tell
	// from it that it is to refuse a root on a thread that Go has not made.
	t.official = raceEnabled || t.bubble || t.isExtra && t.stacks == nil
	t.fpcw, t.ncgocall = controlWords(), *at[uint64](m + mNcgocall)
	if t.isExtra || *at[int32](m + mNcgo) > 0 {
		t.ncgocall = checkControlWords // it goes back into C
	}
	// noteOwn would take it for the thread's, and what C has suspended there would be overwritten.
	if t.installed != nil && t.installed != &t.own {
		panic("greenlet: internal error: another stack stands in for the thread's own")
	}
	t.noteOwn(*at[uintptr](m + mG0))
	if t.stacks == nil {
		t.current, t.own.native = uintptr(unsafe.Pointer(&t.word)), uintptr(unsafe.Pointer(&t.sp))
		t.word, t.only = t.own.native, t.own
		t.sp = *at[uintptr](*at[uintptr](m + mG0) + gSchedSP)
		t.only.base = t.sp
		t.setPlain(&t.only)
	}
	t.root = Coro{root: true, g: g, firstG: g}
	t.gp = g
	t.rootG = g
	if t.isExtra || t.official {
		t.rootG = 0
	}
	t.root.plain, t.root.fpcw = t.rootG != 0, t.fpcw // as resume leaves them
	return &t.root
}

// OnlyOfficial says whether all switches have to be the runtime's. Then no coroutine is ever
// plain, and SwitchFast, which relies on its caller for that, is not to be called.
func (t *Thread) OnlyOfficial() bool { return t.official }

// noteOwn notes the bounds of the thread's own stack, which is in place. They can change on
// threads that C made (callbackUpdateSystemStack), and only there.
func (t *Thread) noteOwn(g0 uintptr) {
	t.own.lo, t.own.hi = *at[uintptr](g0), *at[uintptr](g0 + 8)
	t.own.guard0, t.own.guard1 = *at[uintptr](g0 + gGuard0), *at[uintptr](g0 + gGuard0 + 8)
}

// SetExceptions says that the C++ runtime's record is elsewhere now.
func (t *Thread) SetExceptions(address uintptr) { t.excs = address }

// Running says whether the calling goroutine is the one that the last switch went to. (In a
// free tree it may be one that has got the g of a root that has ended: SwitchFast sees to that.)
func (t *Thread) Running() bool { return t.gp == getgFn() }
