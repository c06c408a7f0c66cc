package tasklet

import (
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"unsafe"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/internal/layer"
	"github.com/go-greenlet/greenlet/internal/leaf"
	"github.com/go-greenlet/greenlet/internal/place"
)

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

// must is for operations that have no error result.
func must(err error) {
	if err != nil {
		panic(thrown{err})
	}
}

// thrown carries an error through code that has no way to return it. At the end of
// a tasklet it counts as the tasklet's error.
type thrown struct{ error }

func (t thrown) Unwrap() error { return t.error }

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

// An Error says which tasklet has ended with an error that it did not handle.
type Error struct {
	ID   uint64
	Name string // what SetName has set
	Body string // the tasklet's function and where it begins, as "main.cook at kitchen.go:12"
	Err  error
}

func (e *Error) Error() string {
	by := who(e.Name, e.ID)
	if e.Body != "" {
		by += " (" + e.Body + ")"
	}
	return fmt.Sprintf("tasklet: %s has ended with an error: %v", by, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

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

// exits says whether err is an expected end, and nothing else besides.
func exits(err error) bool { return leaf.All(err, ErrExit) }

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
