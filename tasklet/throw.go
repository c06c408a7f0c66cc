package tasklet

import (
	"errors"
	"slices"

	"github.com/go-greenlet/greenlet"
)

// Kill throws ErrExit at the tasklet; see Throw. It returns nil when the tasklet is
// dead already.
func (t *Tasklet) Kill() error { return t.throw("Kill", ErrExit, false) }

// Throw ends the tasklet's wait with err, wherever that is, and switches to it: the
// operation that it waits in returns err, or panics with it, if it has no error
// result (Schedule). An error that the tasklet does not handle is its end, and
// comes out of the innermost Run, or at main; ErrExit (nil stands for it) goes
// nowhere. A tasklet that never ran does not begin.
//
// If what the tasklet ends with comes to the caller, it comes as it is, without an
// *Error around it: the caller knows whose it is. Throw at the current tasklet returns
// err at once.
func (t *Tasklet) Throw(err error) error { return t.throw("Throw", err, false) }

// KillLater is ThrowLater with ErrExit.
func (t *Tasklet) KillLater() error { return t.throw("KillLater", ErrExit, true) }

// ThrowLater is Throw, but that the caller goes on: the tasklet gets the error when
// its turn in the ring comes. Of several it gets one each time that it goes on, in
// order, and does not wait until it had them all. Those that it ends without are
// joined to what it ends with. On the current tasklet it is Throw: the error is
// returned at once.
func (t *Tasklet) ThrowLater(err error) error { return t.throw("ThrowLater", err, true) }

func (t *Tasklet) throw(op string, err error, later bool) error {
	if err == nil {
		err = ErrExit
	}
	s, e := t.usable(op)
	if e != nil {
		if t != nil && t.s != nil && errors.Is(e, ErrDead) && exits(err) {
			return nil
		}
		return e
	}
	me := s.head
	if t == me {
		return err
	}
	if later {
		s.makeRunnable(t)
		t.pending = append(t.pending, pendingError{err: err})
		return nil
	}
	if e := s.refusal(op, t); e != nil {
		return e
	}
	s.makeRunnable(t)
	t.pendFirst(pendingError{err: err})
	s.head = t
	err = s.switchAway(me)
	if e, ok := err.(*Error); ok && e.ID == t.id {
		return e.Err
	}
	return err
}

// A letter is what a tasklet finds when it goes on: an error that was thrown at it,
// or how another one has ended.
type pendingError struct {
	err    error
	panics bool // it was a panic, and goes on as one
	from   *watch
}

func (t *Tasklet) takePending() pendingError {
	m := t.pending[0]
	t.pending = slices.Delete(t.pending, 0, 1)
	if len(t.pending) == 0 {
		t.pending = nil
	}
	return m
}

// pendFirst is for what makes t go on at once: it comes before what waits for t's turn.
func (t *Tasklet) pendFirst(m pendingError) { t.pending = slices.Insert(t.pending, 0, m) }

// withUndelivered joins the failures that have not reached a tasklet in its life to what it
// has ended with. An end by ErrExit is none.
func (m pendingError) withUndelivered(undelivered []pendingError) pendingError {
	if m.err == nil || exits(m.err) {
		m = pendingError{}
	}
	for _, u := range undelivered {
		switch {
		case exits(u.err):
		case m.err == nil:
			m.err = u.err
		case m.panics:
			p := m.err.(*greenlet.PanicError)
			both := *p
			both.Value = errors.Join(p, u.err)
			m.err = &both
		default:
			m.err = errors.Join(m.err, u.err)
		}
	}
	return m
}
