package greenlet

import (
	"errors"
	"runtime"

	"github.com/go-greenlet/greenlet/internal/place"
)

// Kill ends g and comes back: it throws ErrExit into g, with the current greenlet
// as g's parent for that time. g's Switch returns ErrExit, and g's body is to return
// it: one that ignores the error of its Switch goes on, and outlives the Kill. See
// MustSwitch.
//
// Kill returns nil when g is dead and went quietly, what it died with when it did
// not (an error, or a panic as *PanicError), and an error that says so when g
// answered by going on. If the caller is killed meanwhile, Kill returns that ErrExit.
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

// killFor is Kill, or op, but that it tells of a Goexit.
func (g *Greenlet) killFor(op string) (err error, goexit bool) {
	if g.valid() {
		// The cases that need no tree.
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
	if m, came := t.killUnreachable(); came {
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

// kill is Kill of a greenlet of this tree, or what op does with it. goexit says that it died by
// runtime.Goexit.
func (t *tree) kill(op string, g *Greenlet) (err error, goexit bool) {
	c := g.c
	for c.life.Load() == lifeMoving {
		runtime.Gosched()
	}
	switch {
	case c.life.CompareAndSwap(lifePending, lifeDead):
		return nil, false
	case c.life.Load() == lifeDead:
		return nil, false
	case g.c == t.current.c:
		return ErrExit, false
	}
	if err := t.whyNotMine(g); err != nil { // started by another thread just now
		return fail(op, g, err, ""), false
	}

	if !t.pin(c) {
		return fail(op, g, ErrWrongThread, ""), false
	}
	m := t.throwExit(g)
	err = m.err // nil for a value; a panic's *PanicError is an error
	// An end that is thrown at us comes alone, to be passed on: it is no failure.
	if c.life.Load() != lifeDead && !(m.kind == kindError && isExit(err)) {
		err = errors.Join(outlivedError(op, g), err)
	}
	return err, m.kind == kindGoexit
}

// outlivedError is the error of op for g, which was to die and did not. It says where g is.
func outlivedError(op string, g *Greenlet) error {
	where := ""
	if stack := g.Stack(); stack != nil {
		where = "it waits at " + place.Of(stack)
	}
	return fail(op, g, errLivesOn, where)
}

// throwExit throws ErrExit into g, which is started, with the current greenlet as its
// parent for that time, and returns what comes back.
func (t *tree) throwExit(g *Greenlet) message {
	w := &waiter{by: t.current, kill: true}
	g.c.push(w)
	defer g.c.remove(w) // a tracer may unwind us
	m, _ := t.exchange(g, message{kind: kindError, err: ErrExit})
	return m
}
