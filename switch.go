package greenlet

import (
	"github.com/go-greenlet/greenlet/internal/gort"
)

// Switch passes control to g with the value v, and returns when another greenlet passes
// control back: with a value, which Switch returns, or with an error.
//
// If g is pending, it starts: its body is called with v. If g is suspended, the Switch in
// which it waits returns v. If g is dead, control goes to its parent, or if that is dead to
// the parent's parent, and so on up to the root, which always lives. A Switch to the current
// greenlet returns v at once.
//
// If control comes back because a greenlet has died of a panic, Switch panics with a
// *PanicError; if it has died of runtime.Goexit, Switch calls runtime.Goexit, too.
//
// After an error the caller is to handle it, or to end: Kill and the end of Run do not unwind
// a greenlet themselves. A caller that ignores the error outlives its Kill. Where there is
// nothing to be handled, use MustSwitch.
//
// A Switch that is refused (ErrWrongThread, ErrThreadExited, ErrNoRun, no memory
// for a stack, a start while the program's packages are being initialised) has
// changed nothing.
func (g *Greenlet) Switch(v any) (any, error) {
	// The common case is first and in one function, since the processor predicts each return
	// between a switch and the user's code wrongly. Any goroutine may get here, also one that
	// runs in another tree than g's: Fast and coro may change while it reads them, but Running
	// is false for it, so it goes on in switchSlow, whatever it has read. The race
	// detector would report these reads, so under it there is only switchSlow.
	//
	// The collector scans the frame of Switch while the caller is suspended. So no variable that
	// is used after SwitchFast may lead to the caller's Greenlet: from is a core. And the frame is
	// to be small, since a switch among many greenlets has to fetch it from memory.
	if !raceEnabled && g.valid() {
		to, t := g.c.coro, (*tree)(nil)
		if to == nil {
			to, t = g.startFast()
		} else if t = (*tree)(to.Fast()); t != nil && !(t.carrier.Running() && t.nothingToDo()) {
			t = nil
		}
		if t != nil {
			from := t.current.c
			t.inbox.value = v
			t.current = g
			g.c.switches++
			way, thread := t.carrier.SwitchFast(to)
			if thread != t.carrier && way != gort.Refused {
				t = from.tree.Load() // the caller may have been moved to another tree
			}
			switch way {
			case gort.Returned:
				if t.gotPlainValue() {
					return t.takeValue(), nil
				}
				return t.receiveSlow()
			case gort.Jumped:
				if t.gotPlainValue() {
					return returnFromSwitch(t.takeValue(), nil)
				}
				return t.receiveSlow()
			}
			return t.retrySwitch(from)
		}
	}
	return g.switchSlow(v)
}

// switchSlow is Switch for all cases. It is not inlined, to keep the frame of Switch small.
//
//go:noinline
func (g *Greenlet) switchSlow(v any) (any, error) {
	return g.send("Switch", message{kind: kindValue, value: v})
}

// retrySwitch is the rest of a Switch whose SwitchFast was refused. It takes back what Switch
// has written, and switches the slow way; from, the caller, still runs.
//
//go:noinline
func (t *tree) retrySwitch(from *core) (any, error) {
	g, v := t.current, t.inbox.value
	g.c.switches--
	t.current, t.inbox.value = from.userRef(), nil
	// If startFast has started g, nothing may come between that and the first switch to it. But g
	// may descend from a body that another goroutine has taken over: then switchSlow refuses.
	if g.c.run != nil && t.pin(g.c) {
		m, t := t.exchange(g, message{kind: kindValue, value: v})
		t.endOperation()
		return m.open()
	}
	return g.switchSlow(v)
}

// startFast starts g, which has no coroutine, for a SwitchFast, and returns its coroutine and
// the tree. It does so only if g is pending, has nothing in rare, and belongs to the calling
// goroutine's tree or to none yet. Nil: nothing was changed, and switchSlow is to be called,
// which starts g or returns the error.
//
//go:noinline
func (g *Greenlet) startFast() (coro, *tree) {
	t := currentTree()
	if t == nil || g.c.isBody {
		return nil, nil
	}
	to := t.startPlain(g)
	if to == nil {
		return nil, nil
	}
	return to, t
}

// startPlain is startFast in t, the calling goroutine's tree, for the body of an asymmetric
// coroutine, too. Nil: nothing was changed; or another goroutine has taken the body over at once, and
// it has ended there.
func (t *tree) startPlain(g *Greenlet) coro {
	c := g.c
	if t.carrier == nil || t.carrier.OnlyOfficial() || t.slow != 0 || !t.isHere() || !t.nothingToDo() ||
		c.run == nil || c.rare.Load() != nil {
		return nil
	}
	if owner := g.owner(); owner != nil && owner != t {
		return nil
	}
	if gort.Locked() && engine.canSuspend(t.th, t.current.c.coro) != nil { // who is not locked has no C frames
		return nil
	}
	if t.start(g, kindValue) != nil {
		return nil
	}
	return c.coro // nil if another goroutine has ended it meanwhile: see asymmetric.fastTarget
}

// receiveSlow is the rest of a Switch after SwitchFast, where the message is not a value or
// slow is not 0.
//
//go:noinline
func (t *tree) receiveSlow() (any, error) {
	if t.gotPlainValueNoted() {
		return t.takeValue(), nil
	}
	m, t := t.receive()
	t.endOperation()
	return m.open()
}

// returnFromSwitch returns from Switch by a jump; see gort.Return. It is used when SwitchFast has
// returned Jumped.
var returnFromSwitch = gort.Return[func(any, error) (any, error)]()

// takeValue takes the value out after gotPlainValue, in a function that the compiler inlines. Nothing is retained.
func (t *tree) takeValue() (v any) {
	v = t.inbox.value
	t.inbox.value = nil
	if t.inbox.origin != nil {
		t.inbox.origin = nil
	}
	return v
}

// gotPlainValue says, after a switch, whether the message is a value and there is nothing else
// to do.
func (t *tree) gotPlainValue() bool { return t.slow == 0 && t.inbox.kind == kindValue }

// MustSwitch is Switch for code that does not handle errors, such as the ErrExit of a Kill: an
// error unwinds the calling greenlet. Its deferred calls run, and it ends with the error as if
// its body had returned it. At a root, MustSwitch panics with the error.
//
// A function that C calls uses Switch instead, and reports the error to C in C's terms:
// unwinding would skip the C frames, and with them what these have to release. At every further
// call that C makes before it has returned, the function must report the error again, without
// a switch.
func (g *Greenlet) MustSwitch(v any) any {
	v, err := g.Switch(v)
	if err == nil {
		return v
	}
	if t := currentTree(); t == nil || t.current == t.root {
		panic(err)
	}
	panic(thrown{Err: err})
}

// Throw passes control to g with an error: the Switch in which g waits returns (nil, err). If
// g handles the error and goes on, Throw returns what is next passed to the caller, as Switch
// does. Throw(nil) throws ErrExit.
//
// If g is pending, its body never runs: it is dead, and err goes to its parent.
// If g is dead, err goes to its first ancestor that lives. In both cases an error
// that is ErrExit arrives as a value. A Throw at the current greenlet returns err
// at once.
//
// An error that g does not handle goes to g's parent, which need not be the
// caller.
func (g *Greenlet) Throw(err error) (any, error) {
	if err == nil {
		err = ErrExit
	}
	return g.send("Throw", message{kind: kindError, err: err})
}

// send is operation op, a Switch or Throw: it passes m to g and returns what comes back.
func (g *Greenlet) send(op string, m message) (any, error) {
	m, err := g.transfer(op, m, nil)
	if err != nil {
		return nil, err
	}
	return m.open()
}

// transfer passes m to g and returns the message that comes back. accepted, if it is not nil,
// is called once m cannot be refused any more, and before the switch: from then on the value in
// it is not the caller's. An error means that m was not sent.
func (g *Greenlet) transfer(op string, m message, accepted func()) (message, error) {
	t, err := g.beginOperation(op)
	if err != nil {
		return message{}, err
	}
	if came, ok := t.catchUp(); ok {
		if accepted != nil {
			accepted() // m is dropped; the caller is not to release what is in it
		}
		t.endOperation()
		return came, nil
	}
	target, m, err := t.resolve(g, m)
	if err != nil {
		err = unsent{fail(op, g, err, "")}
		t.endOperation()
		return message{}, err
	}
	if accepted != nil {
		accepted()
	}
	m, t = t.exchange(target, m)
	t.endOperation()
	return m, nil
}

// beginOperation checks that the calling goroutine may do operation op on g now, and returns
// its tree, which is made if there is none. endOperation is to follow. An error means that
// nothing was changed.
func (g *Greenlet) beginOperation(op string) (*tree, error) {
	if !g.valid() {
		return nil, fail(op, g, errNil, "")
	}
	return g.beginOperationIn(currentTree(), op)
}

// beginOperationIn is beginOperation on a valid g, in t, the calling goroutine's tree, or nil.
func (g *Greenlet) beginOperationIn(t *tree, op string) (*tree, error) {
	if owner := g.owner(); owner != nil && owner != t {
		return nil, g.ownershipError(op, owner)
	}
	switch {
	case t != nil:
	case g.c.isBody:
		return privateTree()
	default:
		return newTree(true, true)
	}
	if t.sections != 0 {
		return nil, fail(op, g, errSection, "leave it first")
	}
	if err := engine.canSuspend(t.th, t.current.c.coro); err != nil {
		return nil, fail(op, g, err, "")
	}
	return t, nil
}

// ownershipError is the error of operation op on g, which belongs to owner and not to the
// caller's tree.
func (g *Greenlet) ownershipError(op string, owner *tree) error {
	switch owner.endState() {
	case endThread:
		return fail(op, g, ErrThreadExited, "the thread has exited, and what was suspended there can never run again")
	case endScope:
		return fail(op, g, ErrThreadExited, "its Run has returned")
	}
	if owner.isReaper || owner.rootGone() {
		return fail(op, g, ErrThreadExited, "the goroutine has ended, and what was suspended there is being ended")
	}
	return fail(op, g, ErrWrongThread, "a started greenlet runs only on its own goroutine; it can be moved with SetParent")
}

// owner returns the tree that g belongs to: its own if it was started, else that of its first
// ancestor that has one. Nil: g belongs to no tree yet, or to one whose goroutine goes on without
// greenlets (endReleased), so any goroutine may use it. Any goroutine may call it.
func (g *Greenlet) owner() *tree {
	for g != nil {
		if t := g.c.tree.Load(); t != nil {
			if t.end.Load() == endReleased {
				return nil
			}
			return t
		}
		g = g.c.parent.Load()
	}
	return nil
}

// exchange passes m to target, which is started and pinned, or the current greenlet. It returns
// the message that comes back, and the tree that the caller is in by then.
func (t *tree) exchange(target *Greenlet, m message) (message, *tree) {
	m.origin = t.current
	t.inbox = m
	if target != t.current {
		t = t.switchTo(target)
	}
	return t.receive()
}

// switchTo switches to target, which receives t.inbox, and returns when the caller is resumed.
// A suspended greenlet may be moved to another tree, so switchTo returns the tree that the
// caller is in then.
func (t *tree) switchTo(target *Greenlet) *tree {
	from := t.current.c
	t.announceSwitch(target)
	engine.switchTo(t.th, from.coro, target.c.coro)
	return from.tree.Load()
}

// announceSwitch makes target the current greenlet, right before the switch to it.
func (t *tree) announceSwitch(target *Greenlet) {
	t.inbox.origin = t.current
	t.setCurrent(target)
	target.c.countSwitch() // after setCurrent: see steadyPeek
}

// receive is the first thing that a greenlet does when it starts or is resumed. It takes the
// message out of the inbox, does what slow asks for, and calls the tracer. If the message is a
// probe, it answers and waits for the next message. In that wait it may be moved, so receive
// returns the tree, too.
func (t *tree) receive() (message, *tree) {
	for {
		m := t.inbox
		t.inbox = message{} // not retained
		if m.kind == kindProbe {
			t = t.answerProbe(m)
			continue
		}
		if t.slow&slowObserved != 0 {
			t.noteSwitch(m.kind)
		}
		if t.slow&slowHousekeeping != 0 {
			t.housekeep()
		}
		if t.tracer != nil && !m.origin.c.rareFields().tracing && !t.current.c.rareFields().tracing {
			t.trace(m.kind, m.origin, t.current)
		}
		return m, t
	}
}

// needsHousekeeping says whether, after a death, there is something for housekeep to free.
func (t *tree) needsHousekeeping() bool {
	p := &t.th.pool
	return len(p.idle) >= minIdle || len(p.orphans) != 0 || oneM && !t.free.Load() && t.carrier.Spare() > minIdle
}

// housekeep frees workers and C stacks that are not needed any more. receive calls it while
// slowHousekeeping is set: once after deaths, and at every switch while there is a tracer, for
// which the flag stays set.
func (t *tree) housekeep() {
	if t.tracer == nil {
		t.slow &^= slowHousekeeping
	}
	p := &t.th.pool
	p.freeOrphans()
	keep := max(minIdle, t.liveCount())
	p.trim(keep, t.current.c.coro)
	if oneM && !t.free.Load() {
		t.carrier.Trim(keep)
	}
}
