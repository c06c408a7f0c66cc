package greenlet

import (
	"errors"
	"runtime"

	"github.com/go-greenlet/greenlet/internal/place"
)

// Kill ends g and comes back: it throws ErrExit into g, with the current greenlet
// as g's parent for that time. The Switch in which g waits returns ErrExit, and g's body is to
// return it: a body that ignores the error of its Switch goes on, and outlives the Kill. See
// MustSwitch.
//
// Kill returns nil if g has ended without an error or with ErrExit; the error if it has ended
// with another one, or with a panic (as *PanicError); and an error that says so if g has passed
// control back without ending. If the caller is killed meanwhile, Kill returns that ErrExit.
// A pending greenlet is dead at once, without its body ever running. Kill of a dead
// one returns nil; of the current one ErrExit, for the body to return; of a root an
// error.
func (g *Greenlet) Kill() error {
	err, goexit := g.killFor("Kill")
	if goexit {
		runtime.Goexit()
	}
	return err
}

// killFor is Kill as a part of operation op. It does not call runtime.Goexit if g has ended by
// that, but returns goexit.
func (g *Greenlet) killFor(op string) (err error, goexit bool) {
	if g.valid() {
		// These cases need no tree, so none is made for them.
		switch c := g.c; {
		case c.isRoot():
			return fail(op, g, errKillRoot, ""), false
		case c.life.Load() == lifeDead:
			return nil, false
		}
	}
	t, err := g.beginTakeover(op, true)
	if err != nil {
		return err, false
	}
	if m, came := t.catchUp(); came {
		t.endOperation()
		if m.kind == kindGoexit {
			return nil, true
		}
		if _, err = m.open(); err == nil {
			err = fail(op, g, errOvertaken, "")
		}
		return err, false
	}
	err, goexit = t.kill(op, g)
	t.endOperation()
	return err, goexit
}

// kill is Kill of a greenlet of this tree as a part of operation op. goexit says that it has
// ended by runtime.Goexit.
func (t *tree) kill(op string, g *Greenlet) (err error, goexit bool) {
	c := g.c
	// A pending g may belong to no tree, and then any goroutine may use it. The compare-and-swap
	// fails if another goroutine has started, moved or killed it meanwhile; if it has started it,
	// whyNotMine says so below.
	for life := c.life.Load(); life != lifeStarted; life = c.life.Load() {
		if life == lifeDead || life == lifePending && c.life.CompareAndSwap(lifePending, lifeDead) {
			return nil, false
		}
		runtime.Gosched()
	}
	if c == t.current.c {
		return ErrExit, false
	}
	if err := t.whyNotMine(g); err != nil { // another goroutine has started it
		return fail(op, g, err, ""), false
	}

	if !t.pin(c) {
		return fail(op, g, ErrWrongThread, ""), false
	}
	return t.killPinned(op, g)
}

// killPinned is kill of a started greenlet that is pinned and not the current one.
func (t *tree) killPinned(op string, g *Greenlet) (err error, goexit bool) {
	m := t.throwExit(g)
	err = m.err // nil for a value; for a panic the *PanicError
	// An ErrExit that was thrown at the caller meanwhile is returned alone, for it to return: if
	// another error were joined with it, that would be a failure.
	if g.c.life.Load() != lifeDead && !(m.kind == kindError && isExit(err)) {
		err = errors.Join(outlivedError(op, g), err)
	}
	return err, m.kind == kindGoexit
}

// outlivedError is the error of operation op for g, which lives on after its ErrExit. It says
// where g waits.
func outlivedError(op string, g *Greenlet) error {
	where := ""
	if stack := g.Stack(); stack != nil {
		where = "it waits at " + place.Of(stack)
	}
	return fail(op, g, errLivesOn, where)
}

// throwExit throws ErrExit into g, which is started and pinned, with the current greenlet as
// its parent for that time, and returns the message that comes back.
func (t *tree) throwExit(g *Greenlet) message {
	me := t.current
	w := &waiter{by: me, kill: true}
	me.c.waits++
	g.c.push(w)
	defer func() { // deferred, since a tracer may panic in exchange
		if w.by != nil { // else it was taken out, and g may be in another tree by now
			unlock := g.c.lockIfLeft(me.c)
			g.c.removeKill(w)
			unlock()
		}
	}()
	m, _ := t.exchange(g, message{kind: kindError, err: ErrExit})
	return m
}
