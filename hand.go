package greenlet

import (
	"errors"
	"runtime"
)

// A hand is what the two ends of an asymmetric coroutine share: Pull, Pull2 and
// Coroutine add the typed value that is handed over. It refers to the greenlet's
// core only, since the body holds it; the Greenlet is held by the other end.
type hand struct {
	c       *core
	waiter  waiter // the one that has called resume
	parked  bool   // the body waits in yield, or has not begun
	resumed bool   // the last switch to the body was resume's
	yielded bool   // the last switch to the waiter was yield's
}

// newHand makes the coroutine of h.
func (h *hand) newHand(run Func) *Greenlet {
	g := New(run)
	h.c, h.parked = g.c, true
	return g
}

// swift says whether nothing but a switch is to be done with c, which belongs to
// t if it was started: no tracer, no dead, nobody forgotten. Next to a switch, each
// of resume's other steps would cost.
func (t *tree) swift(c *core) bool {
	return t != nil && c.life.Load() == lifeStarted && c.tree.Load() == t && !t.chores && t.forgotten.Load() == nil
}

// took takes a plain value's message out of the inbox, if that is all that came.
func (t *tree) took() bool {
	if t.inbox.kind != kindValue || t.chores {
		return false
	}
	t.inbox.value = nil // not retained
	t.raceRelease()
	return true
}

// resume lets the body go on until it yields or ends. An error means that nothing
// was touched. A body that has yielded has sent a plain message, which is not
// looked at.
func (h *hand) resume(g *Greenlet, op string) (m message, err error) {
	c := g.c
	t := currentTree()
	if !t.swift(c) || !h.parked || c.waiter != nil {
		if t, err = h.prepare(g, op); err != nil {
			return m, err
		}
	}
	h.waiter.by = t.current
	c.push(&h.waiter)
	h.parked, h.resumed, h.yielded = false, true, false
	t.inbox.kind, t.inbox.value = kindValue, nil
	t.pass(g)
	if h.yielded && c.waiter == &h.waiter && t.took() {
		c.waiter, h.waiter.by, h.waiter.next = h.waiter.next, nil, nil
		return m, nil
	}
	defer c.remove(&h.waiter) // a tracer may unwind us
	m = t.take()
	t.done()
	return m, nil
}

// prepare does what comes before a resume, if it is more than to look.
func (h *hand) prepare(g *Greenlet, op string) (*tree, error) {
	t, err := g.use(op)
	if err != nil {
		return nil, err
	}
	if !h.parked {
		return nil, fail(op, g, errBusy, "")
	}
	t.reap()
	if g.c.life.Load() != lifeStarted {
		if _, _, err := t.resolve(g, message{kind: kindValue}); err != nil {
			err = fail(op, g, err, "")
			t.done()
			return nil, err
		}
	}
	return t, nil
}

// yield passes control to the waiter, and returns with what comes back: nothing,
// or a message that is no value. It is called by the body.
func (h *hand) yield(op string) (m message, err error) {
	t := currentTree()
	if t == nil || t.current.c != h.c {
		return m, fail(op, nil, errors.New("the yield of a coroutine was called outside of its body"), "")
	}
	h.parked, h.resumed, h.yielded = true, false, true
	t.inbox.kind, t.inbox.value = kindValue, nil
	t.pass(t.above(h.c))
	if !h.resumed || !t.took() {
		m = t.take()
		for !h.resumed && m.kind == kindValue {
			// A Switch of somebody who holds our Greenlet: sent back.
			h.yielded = false
			m = t.exchange(m.origin, message{kind: kindError, err: fail("Switch", t.current, errNotYours, "")})
		}
	}
	h.parked = false
	return m, nil
}

// next resumes an iterator's body and says whether it has yielded. What cannot be
// returned, it panics with.
func (h *hand) next(g *Greenlet, op string) bool {
	if g.c.life.Load() == lifeDead {
		return false
	}
	m, err := h.resume(g, op)
	if err != nil {
		panic(err)
	}
	if h.yielded {
		return true
	}
	switch m.kind {
	case kindPanic:
		panic(m.err.(*PanicError).Value) // as iter.Pull does
	case kindGoexit:
		runtime.Goexit()
	case kindError:
		panic(thrown{m.err})
	}
	if g.c.life.Load() != lifeDead {
		panic(fail(op, g, errInterrupted, ""))
	}
	return false
}

// give is what an iterator's yield does: it hands over and says whether the loop
// is to go on.
func (h *hand) give(stopped *bool) bool {
	m, err := h.yield("yield")
	switch {
	case err != nil:
		panic(err)
	case m.kind == kindError && errors.Is(m.err, ErrExit):
		*stopped = true // killed: end the loop as stop does
	case m.kind == kindError:
		panic(thrown{m.err})
	default:
		m.open()
	}
	return !*stopped
}
