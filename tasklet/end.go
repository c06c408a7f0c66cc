package tasklet

import (
	"runtime/debug"
	"unsafe"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/internal/layer"
	"github.com/go-greenlet/greenlet/internal/place"
)

// body is the body of t's greenlet.
func (t *Tasklet) body(any) (any, error) {
	t.started = true
	g := greenlet.Current()
	returned := false
	defer func() {
		if returned {
			return
		}
		// It is runtime.Goexit, which goes on in the tasklet that gets control.
		t.s.setRunning(t, g)
		if to, _ := t.end(pendingError{}, true); to != nil {
			layer.Heir(unsafe.Pointer(to.g))
		}
	}()
	var last pendingError
	if t.pending != nil {
		last = t.takePending() // thrown before it could begin
	} else {
		last = t.call()
	}
	returned = true
	t.s.setRunning(t, g) // a greenlet that t has made may have been the last to call
	to, err := t.end(last, false)
	if to == nil {
		return nil, err // to the greenlet that has killed this one
	}
	layer.Heir(unsafe.Pointer(to.g))
	return nil, nil
}

// call calls the tasklet's function, and returns the error or panic that ended it.
func (t *Tasklet) call() (last pendingError) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case thrown:
			last.err = r.error
		case layer.Thrown:
			last.err = r.Err
		case *greenlet.PanicError:
			if e, ok := r.Value.(thrown); ok { // out of a greenlet that the tasklet has made
				last.err = e.error
				return
			}
			last = pendingError{err: r, panics: true}
		default:
			last = pendingError{err: t.panicked(r), panics: true}
		}
	}()
	t.f()
	return pendingError{}
}

// panicked makes the error of a panic with v. It is called where the panic is recovered.
func (t *Tasklet) panicked(v any) *greenlet.PanicError {
	return &greenlet.PanicError{Value: v, Stack: debug.Stack(), ID: t.id, Name: t.called(), Body: place.Body(t.code)}
}

// end removes t, which has ended with last or, if exit is set, by runtime.Goexit, from the
// scheduler, and returns the tasklet that goes on. to is nil if something else than this
// package ends t, such as the end of the root, and gets err and control.
func (t *Tasklet) end(last pendingError, exit bool) (to *Tasklet, err error) {
	s := t.s
	last = last.withUndelivered(t.pending)
	if t.result != nil {
		err := last.err
		if exit {
			err = errGoexit
		}
		t.result(err)
		if !last.panics {
			last = pendingError{}
		}
	}
	if last.err != nil && !last.panics { // a panic says it itself
		last.err = &Error{t.id, t.called(), place.Body(t.code), last.err}
	}
	t.dead, t.f, t.pending = true, nil, nil
	if t.inRing {
		s.remove(t)
	}
	if t.ended != nil {
		t.ended.close()
	}
	if t.ending {
		return nil, last.err
	}
	if last.err == nil && !exit {
		if to := s.pickNext(); to != nil {
			return to, nil
		}
		last.err = s.deadlock(nil)
	}
	return s.deliverFailure(last), nil
}

// deliverFailure makes the tasklet the head that gets another one's failure: the caller of
// the innermost Run, or main.
func (s *scheduler) deliverFailure(m pendingError) *Tasklet {
	to := s.main
	switch {
	case s.innermost != nil:
		to = s.resumeRunCaller()
	case to.inRing:
		s.head = to // this turns the ring, and the order stays
	default:
		s.makeHead(to)
	}
	if m.err != nil {
		to.pendFirst(m)
	}
	return to
}
