package greenlet

import (
	"github.com/go-greenlet/greenlet/internal/gort"
)

// Switch passes control to g with the value v, and returns when somebody passes
// control back: with a value, which is returned, or with an error.
//
// If g is pending, it starts: its body is called with v. If g is suspended, its
// pending Switch returns v. If g is dead, its parent is meant instead, and so on
// up to the root, which always lives. A Switch to the current greenlet returns v
// at once.
//
// If the one that passes control back has died of a panic, Switch panics with a
// *PanicError; if by runtime.Goexit, Switch calls it here, too.
//
// An error says that the caller is to end, or to handle it: Kill and the end of Run do
// not unwind anybody by themselves. A caller that ignores the error outlives its Kill.
// Where there is nothing to be handled, MustSwitch does the rest.
//
// A Switch that is refused (ErrWrongThread, ErrThreadExited, ErrNoRun, no memory
// for a stack, a start while the program's packages are being initialised) has
// changed nothing.
func (g *Greenlet) Switch(v any) (any, error) {
	// The common case first, and nothing else in it. Other goroutines, to which g does not
	// belong, get no further than quiet.
	//
	// What is used after the Cross is kept by this goroutine's stack until then: nothing
	// that leads to a Greenlet must be. And the frame is to be small: it is one of the
	// things that a switch among many has to fetch.
	// (What they read of it may be changing meanwhile, and they go the long way whatever they
	// find; but the race detector takes note.)
	if !raceEnabled && g.valid() {
		to, t := g.c.coro, (*tree)(nil)
		if to == nil {
			to, t = g.startFast()
		} else if t = (*tree)(to.Fast()); t != nil && !(t.one.Running() && t.nothingToDo()) {
			t = nil
		}
		if t != nil {
			from := t.current.c
			t.inbox.value = v
			t.current = g
			g.c.switches++
			way, by := t.one.SwitchFast(to)
			if by != t.one && way != gort.Refused {
				t = from.tree.Load() // it may have been moved
			}
			switch way {
			case gort.Returned:
				if t.gotPlainValue() {
					v = t.inbox.value
					t.inbox.value = nil // not retained
					return v, nil
				}
				return t.receiveSlow()
			case gort.Jumped:
				if t.gotPlainValue() {
					v = t.inbox.value
					t.inbox.value = nil
					return returnFromSwitch(v, nil)
				}
				return t.receiveSlow()
			}
			return t.retrySwitch(from)
		}
	}
	return g.switchSlow(v)
}

// fastCoro is g's coro, if there is one, for any goroutine that calls. It is read once: another
// one may be ending g just now.
func (g *Greenlet) fastCoro() coro {
	if raceEnabled || !g.valid() {
		return nil
	}
	return g.c.coro
}

// switchSlow is Switch in full.
//
//go:noinline
func (g *Greenlet) switchSlow(v any) (any, error) {
	return g.send("Switch", message{kind: kindValue, value: v})
}

// retrySwitch is Switch in full after a Cross that was refused: from runs still.
//
//go:noinline
func (t *tree) retrySwitch(from *core) (any, error) {
	g, v := t.current, t.inbox.value
	g.c.switches--
	t.current, t.inbox.value = from.userRef(), nil
	if g.c.run != nil { // begin has started it for this, and nothing is to come in between
		m, t := t.exchange(g, message{kind: kindValue, value: v})
		t.endOperation()
		return m.open()
	}
	return g.switchSlow(v)
}

// startFast starts g, which has no coroutine, if it is an ordinary pending one of the calling
// goroutine's tree, and a Cross is likely to do. It returns its coroutine and the tree; nil:
// it has done nothing, and transfer does or says the rest.
//
//go:noinline
func (g *Greenlet) startFast() (coro, *tree) {
	c, t := g.c, currentTree()
	if t == nil || t.one == nil || t.slow != 0 || !t.isHereAndIdle() ||
		c.run == nil || c.asym != nil || c.rare.Load() != nil {
		return nil, nil
	}
	if o := g.owner(); o != nil && o != t || engine.canSuspend(t.th, t.current.c.coro) != nil {
		return nil, nil
	}
	if t.start(g, kindValue) != nil {
		return nil, nil
	}
	return c.coro, t
}

// receiveSlow is the rest of a Switch to which something else has come than a plain value.
//
//go:noinline
func (t *tree) receiveSlow() (any, error) {
	if t.gotPlainValueNoted() {
		v := t.inbox.value
		t.inbox.value = nil
		return v, nil
	}
	m, t := t.receive()
	t.endOperation()
	return m.open()
}

var returnFromSwitch = gort.Return[func(any, error) (any, error)]()

// gotPlainValue says, after a Cross, whether nothing but a value has come.
func (t *tree) gotPlainValue() bool { return t.slow == 0 && t.inbox.kind == kindValue }

// MustSwitch is Switch for code that has nothing to do about an error, such as the end
// by Kill: an error unwinds the calling greenlet. Its deferred calls run, and it ends with
// the error as if its body had returned it. At a root, MustSwitch panics with the error.
//
// A function that C calls uses Switch instead, and returns the error to C in C's terms:
// unwinding would skip the frames of C, and with them what they have to release. It must
// go on returning the error, without a switch, at every further call that C makes before
// it has returned.
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

// Throw passes control to g with an error: g's pending Switch returns (nil, err).
// If g handles it and goes on, Throw returns whatever is next passed to the
// caller. Throw(nil) throws ErrExit.
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

// send is Switch and Throw in full.
func (g *Greenlet) send(op string, m message) (any, error) {
	m, err := g.transfer(op, m, nil)
	if err != nil {
		return nil, err
	}
	return m.open()
}

// transfer passes m to g and returns what comes back. accepted, if there is one, is
// called when nothing can refuse m any more.
func (g *Greenlet) transfer(op string, m message, accepted func()) (message, error) {
	t, err := g.beginOperation(op)
	if err != nil {
		return message{}, err
	}
	if came, ok := t.killUnreachable(); ok {
		if accepted != nil {
			accepted() // m is lost, but it is the caller's no more
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

// beginOperation checks that operation op on g is allowed here, and returns the tree,
// which is made if there is none. Nothing is touched if it is not.
func (g *Greenlet) beginOperation(op string) (*tree, error) {
	if !g.valid() {
		return nil, fail(op, g, errNil, "")
	}
	t := currentTree()
	if owner := g.owner(); owner != nil && owner != t {
		return nil, g.ownershipError(op, owner)
	}
	if t == nil {
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

// ownershipError is the error for a greenlet of another tree.
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

// owner is the tree that g belongs to: its own once it was started, else that of
// its parents. nil: nobody's yet, or nobody's any more.
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

// exchange passes m to target, which is started or the current greenlet, and
// returns what comes back, and the tree that the caller is in by then.
func (t *tree) exchange(target *Greenlet, m message) (message, *tree) {
	m.origin = t.current
	t.inbox = m
	if target != t.current {
		t = t.switchTo(target)
	}
	return t.receive()
}

// switchTo switches to target, which finds t.inbox, and returns when somebody
// switches back. Whoever is suspended may be moved to another tree, so it returns that.
func (t *tree) switchTo(target *Greenlet) *tree {
	from := t.current.c
	t.announceSwitch(target)
	engine.switchTo(t.th, from.coro, target.c.coro)
	return from.tree.Load()
}

// announceSwitch is what comes right before a switch to target.
func (t *tree) announceSwitch(target *Greenlet) {
	t.inbox.origin = t.current
	t.setCurrent(target)
	target.c.countSwitch() // after that: see steadyPeek
}

// receive is the first thing that a greenlet does when it goes on: it takes the
// message, and tells the tracer. It returns its tree, too: to answer a probe is to be
// suspended again.
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

// needsHousekeeping says whether a death leaves something for chore, or done, to do.
func (t *tree) needsHousekeeping() bool {
	p := &t.th.pool
	return t.implicit || len(p.idle) >= minIdle || len(p.orphans) != 0 || oneM && !t.free.Load() && t.one.Spare() > minIdle
}

// housekeep does what is to be done after some deaths, or while there is a tracer.
func (t *tree) housekeep() {
	if t.tracer == nil {
		t.slow &^= slowHousekeeping
	}
	p := &t.th.pool
	p.freeOrphans()
	keep := max(minIdle, t.liveCount())
	p.trim(keep, t.current.c.coro)
	if oneM && !t.free.Load() {
		t.one.Trim(keep)
	}
}
