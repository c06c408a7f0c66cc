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

// resume lets the body go on until it yields or ends. An error means that nothing
// was touched.
func (h *hand) resume(g *Greenlet, op string) (message, error) {
	t, err := g.use(op)
	if err != nil {
		return message{}, err
	}
	if !h.parked {
		return message{}, fail(op, g, errBusy, "")
	}
	t.reap()
	c := g.c
	if c.life.Load() != lifeStarted {
		if _, _, err := t.resolve(g, message{kind: kindValue}); err != nil {
			err = fail(op, g, err, "")
			t.done()
			return message{}, err
		}
	}
	h.waiter.by = t.current
	c.push(&h.waiter)
	defer c.remove(&h.waiter) // a tracer may unwind us
	h.parked, h.resumed, h.yielded = false, true, false
	m := t.nudge(g)
	t.done()
	return m, nil
}

// yield passes control to the waiter, and returns with what comes back. It is
// called by the body.
func (h *hand) yield(op string) (message, error) {
	t := currentTree()
	if t == nil || t.current.c != h.c {
		return message{}, fail(op, nil, errors.New("the yield of a coroutine was called outside of its body"), "")
	}
	h.parked, h.resumed, h.yielded = true, false, true
	m := t.nudge(t.above(h.c))
	for !h.resumed && m.kind == kindValue {
		// A Switch of somebody who holds our Greenlet: sent back.
		h.yielded = false
		m = t.exchange(m.origin, message{kind: kindError, err: fail("Switch", t.current, errNotYours, "")})
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
