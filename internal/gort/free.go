package gort

import (
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"
)

// A free tree is one that is bound to its root's goroutine, and not to a thread: its root
// is not locked to the M, which may be another one at each switch. Nothing of the M's is
// kept with the tree, and the assembly reads g.m where nobody can be preempted.
//
//   - A coroutine that is suspended is pinned to the thread if it has C frames, or lock counts
//     of its own. While one of the tree's is, or one of our C stacks is in place, whoever
//     runs is tied: lock counts are added to his own ones. C frames return only while their
//     coroutine runs, so the tie ends at its next switch.
//   - Who is not locked has no C frames (a call from C locks). So SwitchFast asks for m.lockedg
//     alone. There are no C stacks, and no lock counts to exchange.
//   - C runs on the thread's own stack, whoever calls. A coroutine that stops with C frames
//     there keeps it, and the M's g0 gets one of ours until it goes on. Should the thread
//     end meanwhile (its locked goroutine ends), restoreOwnStack puts the own one back.
//   - A coroutine that is suspended and not pinned can be moved to another tree, by another
//     goroutine: Claim. Coro.t says whose it is, and SwitchFast looks at it
//     once it has the target's scan bit, so one of the two finds the other.

// freeTree is what a Thread has besides if it is a free tree's. Its goroutine alone touches
// it, or whoever ends the tree.
type freeTree struct {
	pins     int // suspended coroutines that are pinned
	bubble   bool
	tied     bool    // whoever runs is
	osThread *Thread // the OS thread's, if it is one with C stacks
	given    bool    // whoever was suspended on the thread's own stack was given up
}

// osThreadState is what a Thread of an OS thread has besides, for the free tree that is tied to it.
type osThreadState struct {
	installed *CStack // what is in place; nil: the own one
	ownKept   bool    // the own one is kept by one that is suspended
}

// OfThread returns the Thread of the calling OS thread, to which the goroutine is locked.
// Package greenlet sets it.
var OfThread func() (*Thread, error)

// freeStackSize is the size of our stacks in a free tree: what threads have, since one of them
// stands in for that.
const freeStackSize = 8 << 20

// claimed stands in Coro.t while a coroutine is being moved.
var claimed = &Thread{}

// InitFree makes a record for EnterFree of t, which is new or has been that of a tree that
// has ended.
func (t *Thread) InitFree(stacks *Stacks, owner unsafe.Pointer) {
	t.free, t.stacks, t.Owner = true, stacks, owner
	t.freeTree = freeTree{}
}

// EnterFree makes the calling goroutine, which is not locked to its thread, the root.
//
//go:norace
func (t *Thread) EnterFree() *Coro {
	g := getg()
	t.bubble = *at[uintptr](g + gBubble) != 0
	t.official = raceEnabled || t.bubble
	t.gp, t.rootG, t.rootID = g, g, *at[uint64](g + gGoid)
	t.root = Coro{root: true, g: g, firstG: g, t: t, plain: !t.official}
	return &t.root
}

// SetRootID notes that the root is a goroutine with the same g and another number. Nothing lives in
// the tree, and its root does not run.
func (t *Thread) SetRootID(id uint64) { t.rootID = id }

// Tied says whether whoever runs in the tree is tied to the thread.
func (t *Thread) Tied() bool { return t.tied }

// Free says whether t is a free tree's.
func (t *Thread) Free() bool { return t.free }

// Bubble says whether the tree is in a bubble of testing/synctest.
func (t *Thread) Bubble() bool { return t.bubble }

// TiedTo says whether t's tree is tied to that thread, which has ended or ends. Then its goroutine has
// ended.
//
//go:norace
func (t *Thread) TiedTo(thread *Thread) bool {
	t.raceAcquire()
	thread.raceAcquire()
	return t.tied && t.osThread == thread // a switch that was refused may have left another one in on
}

// ThreadEnded notes that the thread to which t's tree was tied has ended.
func (t *Thread) ThreadEnded() { t.osThread, t.tied, t.given = nil, false, false }

// Untie is called when nothing else lives in t's tree, by the root's goroutine if the tree is tied.
// Those that were given up with C frames have tied it.
//
//go:norace
func (t *Thread) Untie() {
	if t.tied {
		t.exchangeStateFree(&t.root, &t.root)
		restoreMFn(0)
	}
}

// InBubble says whether the calling goroutine is in a bubble of testing/synctest.
func InBubble() bool { return *at[uintptr](getg() + gBubble) != 0 }

// TiedInC says whether the caller, whose tree is t's, is in a call from C and the tree is tied: then
// the C frames may be on one of our stacks, which has to stay in place until they return.
//
//go:norace
func (t *Thread) TiedInC() bool {
	return t.free && t.tied && *at[int32](*at[uintptr](getg() + gM) + mNcgo) > 0
}

// Locked says whether the calling goroutine is locked to its thread.
func Locked() bool { return *at[uintptr](getg() + gLockedM) != 0 }

// CurrentG tells the calling goroutine: its g, which is used again when it has ended, and
// its number, which is not.
func CurrentG() (g uintptr, id uint64) {
	g = getgFn()
	return g, *at[uint64](g + gGoid)
}

// scanBit is _Gscan (runtime2.go).
const scanBit = 0x1000

// GoroutineEnded says whether that goroutine has ended.
func GoroutineEnded(g uintptr, id uint64) bool {
	return atomic.LoadUint64(at[uint64](g+gGoid)) != id || atomic.LoadUint32(at[uint32](g+gStatus))&^scanBit == gDead
}

// thread is whose c is.
func (c *Coro) thread() *Thread {
	for {
		if t := c.loadThread(); t != claimed {
			return t
		}
		runtime.Gosched() // somebody tries to take it, and cannot, or has not yet
	}
}

func (c *Coro) loadThread() *Thread {
	return (*Thread)(atomic.LoadPointer((*unsafe.Pointer)(unsafe.Pointer(&c.t))))
}

// casThread changes in which tree c is. Any goroutine that wants to move c, or to keep it from
// being moved, writes the word: it fails if another one has claimed c or moved it.
func (c *Coro) casThread(from, to *Thread) bool {
	return atomic.CompareAndSwapPointer((*unsafe.Pointer)(unsafe.Pointer(&c.t)), unsafe.Pointer(from), unsafe.Pointer(to))
}

// Home is the Thread of the tree that c is in.
func (c *Coro) Home() *Thread { return c.thread() }

// Held says whether c, which is suspended, can go on only on the thread it is on.
func (c *Coro) Held() bool { return c.pinned }

// Claim takes c, a suspended coroutine of t, for a moment: nobody switches to it. It fails
// if it is not t's, if it runs, or if it holds its thread. current says whether t's tree
// takes it for the one that runs; it may be blocked then, or have an iter.Pull run for it.
// Place or Unclaim ends the claim. t is a free tree's, or has been. Any goroutine may call it; it must not wait for anything until Place.
//
//go:norace
func (c *Coro) Claim(t *Thread, current func() bool) bool {
	if c.pinned || !c.casThread(t, claimed) {
		return false
	}
	// The claim is written; now its status is read, while the fast switch changes the status and
	// then reads the claim. So if it is about to be resumed, one of the two sees the other. Whoever
	// suspends it makes its status _Gwaiting, and clears g.m right after that: until then its M
	// still works with it.
	for {
		g := atomic.LoadUintptr(&c.g)
		if g == 0 || atomic.LoadUint32(at[uint32](g+gStatus))&^scanBit != gWaiting || current() || c.pinned { // 0: it has ended
			c.Unclaim(t)
			return false
		}
		if atomic.LoadUintptr(at[uintptr](g+gM)) == 0 {
			return true
		}
		runtime.Gosched()
	}
}

// Unclaim ends a Claim that has come to nothing.
func (c *Coro) Unclaim(t *Thread) { c.casThread(claimed, t) }

// Hold makes sure that c, a suspended coroutine of the calling goroutine's tree, stays in
// it until the caller has switched to it or called Unclaim: false if it has been taken away.
func (c *Coro) Hold(t *Thread) bool {
	for t.free && !c.casThread(t, claimed) {
		// If it is t again, the claim that has made the compare-and-swap fail came to nothing.
		if now := c.loadThread(); now != claimed && now != t {
			return false
		}
		runtime.Gosched()
	}
	return true
}

// Place ends a Claim: c is t's now.
func (c *Coro) Place(t *Thread, owner unsafe.Pointer) {
	if old := c.owner; old != nil {
		c.owner = owner
	}
	c.locks = t.locks
	c.plain = !t.official
	c.fast = nil
	if c.plain {
		c.fast = c.owner
	}
	c.storeThread(t)
}

// Keep ends a Hold right before the switch, when the tree takes c for the one that runs.
func (c *Coro) Keep(t *Thread) {
	if t.free {
		c.storeThread(t)
	}
}

// CurrentCoro returns the coroutine that the calling goroutine runs for: its own, or, in an
// iter.Pull, that of whoever waits for that. If whoever waits is no coroutine of New's,
// CurrentCoro returns its goroutine. Nil and 0: neither.
//
//go:norace
func CurrentCoro() (c *Coro, g uintptr, id uint64) {
	p := ownCoroFn()
	if p == 0 && !anyFibers.Load() { // the ordinary case
		return nil, 0, 0
	}
	here := getgFn()
	switch home := inPlaceOf(here); home {
	case here:
	case 0:
		return nil, 0, 0
	default:
		g = home
		p, id = coroAndID(g)
	}
	for p != 0 {
		k := at[coro](p)
		if k.f != nil {
			if words := **(**[2]uintptr)(unsafe.Pointer(&k.f)); words[0] == startPC {
				return at[Coro](words[1]), 0, 0
			}
		}
		if g = inPlaceOf(k.gp); g == 0 {
			return nil, 0, 0
		}
		p, id = coroAndID(g)
	}
	return nil, g, id
}

// inPlaceOf returns the goroutine in whose place g runs, if g is a fiber's: newcoro has made that, but it
// did not begin there, and what coroOf would read in its stack is anything. 0: it runs in none's. Else
// it returns g.
func inPlaceOf(g uintptr) uintptr {
	if anyFibers.Load() {
		if _, yes := fibers.Load(g); yes {
			return FiberHome()
		}
	}
	return g
}

// coroAndID is coroOf, and the goroutine's number.
//
//go:norace
func coroAndID(g uintptr) (p uintptr, id uint64) {
	for {
		if p, ok := coroOf(g); ok {
			return p, *at[uint64](g + gGoid)
		}
		runtime.Gosched()
	}
}

// The goroutines of fibers (see fiber.go), and whether there have been any.
var (
	fibers    sync.Map
	anyFibers atomic.Bool
)

// FiberHome returns the goroutine in whose place the calling fiber runs, or 0. It is set by
// package greenlet.
var FiberHome func() uintptr

// readyFree makes sure that the running coroutine, if it is in C, can be suspended: it
// keeps the stack that is in place, and the next one needs another.
//
//go:norace
func (t *Thread) readyFree() error {
	g := getg()
	if *at[uintptr](g + gLockedM) == 0 {
		return nil
	}
	if *at[int32](*at[uintptr](g + gM) + mNcgo) == 0 {
		return nil
	}
	// It may have been another one when the last switch was refused; and none is known if
	// only lock counts have tied the tree.
	if !t.tied || t.osThread == nil {
		on, err := OfThread()
		if err != nil {
			return err
		}
		t.osThread = on
		on.raceAcquire()
	}
	defer t.osThread.raceRelease() // the switch may be refused, and another tree use the thread next
	for _, s := range t.osThread.spare {
		if s.size == freeStackSize {
			return nil
		}
	}
	s, err := t.osThread.stackForFree()
	if err != nil {
		return err
	}
	t.osThread.releaseStack(s)
	return nil
}

// ownAt is where, above a stack's base, the record of the thread's own one is, for restoreOwnStack.
const ownAt = 16

func (t *Thread) stackForFree() (*CStack, error) {
	s, err := t.stack(freeStackSize)
	if err != nil {
		return nil, err
	}
	s.pc = restoreOwnStackPC
	*at[uintptr](s.base + ownAt) = uintptr(unsafe.Pointer(&t.own))
	return s, nil
}

// switchFree is Switch in a free tree. to is held or kept: nobody takes it away.
//
//go:norace
func (t *Thread) switchFree(from, to *Coro) {
	g := getg()
	from.g = g
	locked := *at[uintptr](g + gLockedM) != 0
	if locked {
		t.exchangeStateFree(from, to)
	} else {
		from.plain = from.firstG == g && !t.official
		from.pinned, from.inC, from.ncgo = false, false, 0
	}
	from.fast = nil
	if from.plain {
		from.fast = from.owner
	}
	t.gp = to.g
	t.Officials++
	t.officiallyFree(from, to.g, locked)
}

// officiallyFree has the runtime switch. From here on from may be another tree's.
//
//go:norace
func (t *Thread) officiallyFree(from *Coro, to uintptr, locked bool) {
	// t's, and not one of from's own: from can be taken away, and use its own again, before
	// coroswitch is done with this one.
	c := &t.c
	c.gp, c.mp, c.locks = to, 0, 0
	if locked {
		c.mp = *at[uintptr](getg() + gM)
		c.locks = *at[uint64](c.mp + mLocks)
	}
	t.raceRelease()
	if from.inC {
		coroswitchInC(c)
	} else {
		coroswitch(c)
	}
	from.thread().raceAcquire()
	restoreMFn(from.ncgo)
	if getg() != from.firstG {
		from.thread().gp = 0 // see resume
	}
	if from.inC && from.fpcw != controlWords() {
		setControlWords(from.fpcw)
	}
	from.plain = !from.thread().official
	from.pinned, from.inC, from.ncgo, from.fast = false, false, 0, nil
	if from.plain {
		from.fast = from.owner
	}
}

// cgoBase finds where g0.sched.sp was before the first of n calls from C. Each of them has
// saved what it found (cgocallback).
//
//go:norace
func cgoBase(g0 uintptr, n int32) uintptr {
	sp := *at[uintptr](g0 + gSchedSP)
	for ; n > 0; n-- {
		sp = *at[uintptr](sp + savedSPAt)
	}
	return sp
}

// exchangeStateFree is exchangeState in a free tree. The goroutine is locked to its thread.
//
//go:norace
func (t *Thread) exchangeStateFree(from, to *Coro) {
	m := *at[uintptr](getg() + gM)
	locks := at[uint64](m + mLocks)
	ncgo := at[int32](m + mNcgo)

	// One UnlockOSThread too many has taken from the tie: the program's own ones are none.
	ext := max(int64(uint32(*locks))-int64(uint32(from.tie)), 0)
	from.locks, from.tie = uint64(ext)|(*locks>>32-from.tie>>32)<<32, 0
	from.ncgo = *ncgo
	from.inC = from.ncgo > 0
	from.pinned = from.inC || from.locks != 0
	from.plain = !from.pinned && from.firstG == getg() && !t.official
	if from.pinned {
		t.pins++
	}
	if to.pinned {
		to.pinned = false
		t.pins--
	}
	if !t.tied {
		t.osThread = nil // a switch that was refused may have left another one
	}
	if from.inC && t.osThread == nil {
		on, err := OfThread()
		if err != nil {
			panic(err)
		}
		t.osThread = on
		on.raceAcquire()
	}
	ours := false
	if on := t.osThread; on != nil {
		ours = t.swapStackFree(on, *at[uintptr](m + mG0), from, to)
		on.raceRelease()
	}
	t.tied = t.pins > 0 || ours
	if !t.tied {
		t.osThread = nil
	}
	to.tie = 0
	if t.tied {
		to.tie = pinCount // the same for all, as in Enter
	}
	*locks = to.locks + to.tie
	to.locks = 0
	*ncgo = max(from.ncgo, to.ncgo) // see exchangeState
}

// swapStackFree puts to's C stack, C++ exceptions and control words in place of from's, and
// says whether the stack is one of ours.
//
//go:norace
func (t *Thread) swapStackFree(on *Thread, g0 uintptr, from, to *Coro) (ours bool) {
	if t.given {
		t.given, on.ownKept = false, false
		*at[uintptr](on.own.native) = on.own.exitSP
	}
	old := on.installed
	if old == nil {
		old = &on.own
	}
	if from.inC {
		from.fpcw = controlWords()
		if from.fpcw != defaultControlWords {
			setControlWords(defaultControlWords)
		}
		from.cs = old
		if old == &on.own {
			on.ownKept = true
			if sp := cgoBase(g0, from.ncgo); sp > *at[uintptr](g0) && sp <= *at[uintptr](g0 + 8) { // else a fiber's
				on.own.exitSP = sp
			}
		}
	}
	next := to.cs
	to.cs = nil
	switch {
	case next == &on.own:
		on.ownKept = false
	case next == nil && !on.ownKept:
		next = &on.own
	case next == nil && !from.inC: // from has nothing on it
		next = old
	case next == nil:
		s, err := on.stackForFree()
		if err != nil {
			panic(err) // readyFree has taken one
		}
		next = s
	}
	if next != old {
		if !from.inC && old != &on.own {
			on.releaseStack(old)
		}
		swapWholeStackFn(g0, old, next)
		*at[uintptr](on.current) = next.native
		on.installed = next
		on.inPlace = on.plain // fibers look here
		if next != &on.own {
			on.inPlace = next
		}
	}
	if on.excs != 0 {
		e := at[exceptions](on.excs)
		from.exc, *e, to.exc = *e, to.exc, exceptions{}
	}
	return next != &on.own
}

// defaultControlWords are the control words of those who have not changed them.
var defaultControlWords = controlWords()

// exitFree is Exit in a free tree.
//
//go:norace
func (t *Thread) exitFree(from, to *Coro) {
	g := getg()
	from.c.gp, from.c.mp, from.c.locks = to.g, 0, 0
	if *at[uintptr](g + gLockedM) != 0 {
		t.exchangeStateFree(from, to)
		if from.pinned { // its locks end with it, and what was on its C stack is lost
			if from.cs != nil && t.isOwn(from.cs) {
				*at[uintptr](t.osThread.own.native) = t.osThread.own.exitSP
				t.osThread.ownKept = false
				from.cs = nil
			}
			t.discardFree(from)
		}
		m := *at[uintptr](g + gM)
		from.c.mp, from.c.locks = m, *at[uint64](m + mLocks)
	}
	to.Keep(t)
	t.gp = to.g
	from.g, from.plain, from.fast = 0, false, nil
	t.raceRelease()
}

// isOwn says whether a stack is that of the thread to which t's tree is tied. It is
// not to be touched when that has ended.
func (t *Thread) isOwn(s *CStack) bool { return t.free && t.osThread != nil && s == &t.osThread.own }

// discardFree gives back what a coroutine has held that will not go on.
//
//go:norace
func (t *Thread) discardFree(c *Coro) {
	if c.pinned {
		c.pinned = false
		t.pins--
	}
	on := t.osThread
	switch {
	case c.cs == nil || on == nil:
	case t.isOwn(c.cs): // its thread has ended, or has it back at the next switch
		t.given = true
	default:
		on.releaseStack(c.cs)
	}
	c.cs = nil
}
