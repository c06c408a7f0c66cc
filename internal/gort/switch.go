package gort

import (
	"runtime/trace"
	"unsafe"
)

// The switch: the short way in assembly (SwitchFast), the slow way that exchanges what two coroutines
// have of their own (Switch), and the official one, which the runtime makes.

// SwitchFast suspends the running coroutine and goes on with to, which must be plain, if
// nothing but that is to be done. It returns when somebody has switched back: Returned,
// or Jumped if that was done by another call of SwitchFast than ours, as to the place in the
// code of whoever has called our caller. After that the processor predicts the return
// from our caller wrongly, and a function of Return is better. Refused: nothing was done,
// and Switch is to be called.
//
// An execution trace wants to hear of every switch, so there is none of this kind while
// one is taken. trace.IsEnabled is a little late when a trace begins (subscribe.go, in Go 1.24
// trace.go). But the world is stopped for the beginning, and an M that goes on after that has
// written an event, so fastSwitch finds a trace buffer of that M until the generation ends, a second
// later (traceAdvance, runtime/trace.go), when IsEnabled says yes. At the end of a trace IsEnabled says
// yes until nothing is written any more; in Go 1.24 it says no before that, and then an M that has
// written nothing in the last generation makes switches of this kind that the trace does not have.
//
// In a free tree whoever is suspended may have been moved to another one when it goes on:
// by is the Thread with which that was done, or nil, if that is not known.
func (t *Thread) SwitchFast(to *Coro) (way int, by *Thread) {
	if !trace.IsEnabled() {
		way, by = fastSwitchFn(t, to)
	}
	return
}

// What SwitchFast returns.
const (
	Refused = iota
	Returned
	Jumped
)

// Return is a function that does not return to its caller, but from it, with its arguments
// as the caller's results: by a jump, where the processor takes a return for one to
// another place. The caller must have a frame, nothing deferred, and results that are
// passed in registers. Nil where there is none.
func Return[F any]() (f F) {
	if returnPC != 0 {
		f = *(*F)(unsafe.Pointer(&leaveFn))
	}
	return f
}

// leaveFn is the func value that Return hands out, without its type: the address of a word with
// the address of the code (funcval, runtime2.go).
var leaveFn = &returnPC

// Switch suspends from, the running coroutine, and goes on with to. It returns when
// somebody has switched back. Ready must have said yes.
func (t *Thread) Switch(from, to *Coro) {
	to.Keep(t)
	if to.plain {
		if way, _ := t.SwitchFast(to); way != Refused {
			return
		}
	}
	if t.free {
		t.switchFree(from, to)
		return
	}
	t.exchangeState(from, to)
	from.g = getg()
	t.gp = to.g
	if !t.try(to.g, from.inC) {
		t.officially(to.g, from.inC)
	}
	t.resume(from)
}

// checkControlWords is Thread.ncgocall when the control words are to be looked at at the next
// switch, whether or not C is called until then.
const checkControlWords = ^uint64(0)

// resume is the first thing that a coroutine does that was suspended by Switch. It
// leaves what SwitchFast, which writes none of it, relies on when it suspends the coroutine.
//
//go:norace
func (t *Thread) resume(c *Coro) {
	// Until here it was the larger one of the two coroutines': see exchangeState.
	*at[int32](*at[uintptr](getg() + gM) + mNcgo) = c.ncgo
	if c.fpcw != t.fpcw {
		setControlWords(c.fpcw)
		t.ncgocall = checkControlWords
	}
	if c.inC { // it goes back into C, which no call of C counts
		t.ncgocall = checkControlWords
	}
	if getg() != c.firstG {
		// It can end at any time, and without a switch: then the runtime gives its g to
		// another goroutine, anywhere, which is not to be taken for this coroutine's.
		t.gp = 0
	}
	c.plain, c.inC, c.ncgo, c.fast = true, false, 0, c.owner
}

// Clean gives c, the running coroutine, the thread's control words and the ordinary lock
// counts, if whoever ran there before has left others. In a free tree it is called when that
// one has ended: nobody else would be tied by its locks.
//
//go:norace
func (t *Thread) Clean(c *Coro) {
	if t.free {
		if g := getg(); *at[uintptr](g + gLockedM) != 0 {
			*at[uint64](*at[uintptr](g + gM) + mLocks) = c.tie
			restoreMFn(0)
		}
		return
	}
	m := *at[uintptr](getg() + gM)
	*at[uint64](m + mLocks) = t.locks
	if n := *at[uint64](m + mNcgocall); n != t.ncgocall {
		if controlWords() != t.fpcw {
			setControlWords(t.fpcw)
		}
		t.ncgocall = n
	}
}

func (t *Thread) try(to uintptr, inC bool) bool {
	if t.official || trace.IsEnabled() {
		return false
	}
	if inC {
		return slowSwitchInCFn(t, to)
	}
	return slowSwitchFn(t, to)
}

// officially has the runtime switch to the goroutine to. coroswitch switches to the goroutine
// that its coro names, and throws if the coro's lock counts are not the M's: so t.c gets both.
//
//go:noinline
func (t *Thread) officially(to uintptr, inC bool) {
	t.Officials++
	m := *at[uintptr](getg() + gM)
	t.c.gp, t.c.mp, t.c.locks = to, m, *at[uint64](m + mLocks)
	t.raceRelease()
	if inC {
		coroswitchInC(&t.c)
	} else {
		coroswitch(&t.c)
	}
	t.raceAcquire()
}

// exchangeState puts to's C stack, lock counts and exceptions in place of from's. From there
// on from runs on borrowed ones, until the switch.
//
//go:norace
func (t *Thread) exchangeState(from, to *Coro) {
	m := *at[uintptr](getg() + gM)
	if m != t.m {
		panic("greenlet: internal error: a switch on another M than the root's")
	}
	g0 := *at[uintptr](m + mG0)
	locks := at[uint64](m + mLocks)
	ncgo := at[int32](m + mNcgo)

	from.locks, from.ncgo = *locks, *ncgo
	from.inC = from.ncgo > 0 || from.root && t.isExtra
	from.fpcw = t.fpcw
	if n := *at[uint64](m + mNcgocall); n != t.ncgocall || from.inC {
		from.fpcw, t.ncgocall = controlWords(), n
	}

	old, next := t.inPlace, to.cs
	if from.root {
		old = &t.own
		t.noteOwn(g0)
		from.plain = t.rootG == getg() && !from.inC && from.fpcw == t.fpcw && !t.handling()
		t.rootLocks = from.locks
	} else {
		inC := *at[uintptr](g0 + gSchedSP) != old.base
		from.plain = !inC && from.firstG == getg() && from.size == 0 && from.locks == t.locks && from.fpcw == t.fpcw && !t.official && !t.handling()
		switch {
		case inC || from.size != 0:
			from.cs = old
			if old == t.plain {
				t.plain = nil
			}
		case t.plain == nil:
			t.plain = old
		case old != t.plain: // it came back with one from C, and the others have one by now
			t.releaseStack(old)
		}
	}
	from.fast = nil
	if from.plain {
		from.fast = from.owner
	}
	if to.size == 0 {
		to.cs = nil
	}
	switch {
	case to.root:
		next = &t.own
	case next == nil:
		if t.plain == nil {
			s, err := t.stack(0)
			if err != nil {
				panic(err) // Ready has taken one
			}
			t.plain = s
		}
		next = t.plain
	}
	if next != old {
		if t.isExtra { // calls from C are not to look for the bounds
			if from.root {
				t.accurate = *at[uint8](m + mAccurate)
			}
			*at[uint8](m + mAccurate) = 1
			if to.root {
				*at[uint8](m + mAccurate) = t.accurate
			}
		}
		swapStackFn(g0, old, next)
		*at[uintptr](t.current) = next.native
	}
	if to.root {
		next = t.plain // that is where SwitchFast goes from the root
	}
	t.inPlace, t.base = next, 0
	if next != nil && next == t.plain {
		t.base = next.base
	}
	switch {
	case to.root:
		*locks = t.rootLocks
	case to.plain:
		*locks = t.locks
	default:
		*locks = to.locks
	}
	if t.excs != 0 {
		e := at[exceptions](t.excs)
		from.exc, *e, to.exc = *e, to.exc, exceptions{}
	}
	if from.fpcw != t.fpcw { // whoever has other ones sets them when he goes on
		setControlWords(t.fpcw)
		t.ncgocall = *at[uint64](m + mNcgocall)
	}
	// The tracer unwinds the goroutine that stops by its frame pointers unless m.ncgo says that it
	// has C frames. So until the switch is done it is the larger of the two; resume sets it right.
	*ncgo = max(from.ncgo, to.ncgo)
}

// InCalls says whether C waits for c, which runs.
//
//go:norace
func (t *Thread) InCalls(c *Coro) bool {
	return *at[int32](*at[uintptr](getg() + gM) + mNcgo) > 0 || c.root && t.isExtra
}

// handling says whether C++ exceptions are being handled.
func (t *Thread) handling() bool { return t.excs != 0 && *at[exceptions](t.excs) != exceptions{} }
