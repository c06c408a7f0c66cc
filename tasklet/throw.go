package tasklet

import (
	"errors"
	"slices"

	"github.com/go-greenlet/greenlet"
)

// Kill throws ErrExit at the tasklet; see Throw. It returns nil when the tasklet is
// dead already.
func (t *Tasklet) Kill() error { return t.throw("Kill", ErrExit, false) }

// Throw ends whatever the tasklet waits in with err, and switches to it. The operation that
// it waits in returns err, or panics with err if it has no error result, such as Schedule. If
// the tasklet does not handle the error, it ends with it, and the error comes out of the
// innermost Run, or at main. ErrExit, for which nil stands, is an expected end and comes out
// nowhere. A tasklet that has not started does not start, and ends with the error.
//
// If it is the caller that gets the error with which the tasklet ends, there is no *Error
// around it. Throw at the current tasklet returns err at once.
func (t *Tasklet) Throw(err error) error { return t.throw("Throw", err, false) }

// KillLater is ThrowLater with ErrExit.
func (t *Tasklet) KillLater() error { return t.throw("KillLater", ErrExit, true) }

// ThrowLater is Throw without the switch: the caller goes on, and the tasklet gets the error
// at its turn in the ring. Of several errors the tasklet gets one each time that it is
// resumed, in their order, and it does not block until it has had them all. If it ends
// before, the rest is joined to the error with which it ends. At the current tasklet,
// ThrowLater returns err at once, as Throw does.
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

// A pendingError is what a tasklet gets when it is resumed: an error that was thrown at it,
// or the failure of another tasklet.
type pendingError struct {
	err    error
	panics bool   // err is a *greenlet.PanicError, to be panicked with
	from   *watch // it is the cause of that one's context; else nil
}

func (t *Tasklet) takePending() pendingError {
	m := t.pending[0]
	t.pending = slices.Delete(t.pending, 0, 1)
	if len(t.pending) == 0 {
		t.pending = nil
	}
	return m
}

// pendFirst puts m before the other pending errors, which wait for t's turn: m is why t goes
// on at once.
func (t *Tasklet) pendFirst(m pendingError) { t.pending = slices.Insert(t.pending, 0, m) }

// withUndelivered joins the errors that a tasklet has not been resumed with to the one that
// it has ended with. ErrExit is not a failure and is left out.
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
