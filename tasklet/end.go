package tasklet

import (
	"runtime/debug"
	"unsafe"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/internal/layer"
	"github.com/go-greenlet/greenlet/internal/place"
)

// body is what the greenlet of t runs.
func (t *Tasklet) body(any) (any, error) {
	t.started = true
	g := greenlet.Current()
	returned := false
	defer func() {
		if returned {
			return
		}
		// runtime.Goexit: goes on in whoever Run is for.
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
	t.s.setRunning(t, g) // a greenlet that it has made may have come last
	to, err := t.end(last, false)
	if to == nil {
		return nil, err // to whoever ends it
	}
	layer.Heir(unsafe.Pointer(to.g))
	return nil, nil
}

// call calls the tasklet's function and returns what that ended with.
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

// panicked is the error of a panic with v, called where it is recovered.
func (t *Tasklet) panicked(v any) *greenlet.PanicError {
	return &greenlet.PanicError{Value: v, Stack: debug.Stack(), ID: t.id, Name: t.called(), Body: place.Body(t.code)}
}

// end takes t, which has ended with last or runtime.Goexit, out of everything, and
// says who goes on. nil: that is not this package's to say, and err is for whoever
// does.
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

// deliverFailure makes the one that is to know of a tasklet's failure the head: the caller
// of the innermost Run, or main.
func (s *scheduler) deliverFailure(m pendingError) *Tasklet {
	to := s.main
	switch {
	case s.innermost != nil:
		to = s.resumeRunCaller()
	case to.inRing:
		s.head = to // the ring is turned: everybody keeps his place
	default:
		s.makeHead(to)
	}
	if m.err != nil {
		to.pendFirst(m)
	}
	return to
}
