// Package callback makes Go functions callable from C functions that only know how
// to call back, and keeps panics from skipping the C frames in between.
package callback

import "github.com/go-greenlet/greenlet/internal/handle"

// A call is a call into C that calls back. C gets a handle for it.
//
// A panic must not skip the C frames, or what the C function has allocated and
// opened is lost. So it waits in panicked until that function has returned.
// (runtime.Goexit cannot wait: C's memory is lost then.)
type call[F any] struct {
	f        F // what to call back
	panicked any
}

// During calls c with a handle that stands for f until it returns. It panics with
// what a callback has panicked with.
func During[F any](f F, c func(h handle.Handle)) {
	s := &call[F]{f: f}
	h := handle.New(s)
	defer func() {
		if err := h.Delete(); err != nil {
			panic(err)
		}
	}()
	c(h)
	if s.panicked != nil {
		panic(s.panicked)
	}
}

// Do is what a callback does: it calls do with what the handle stands for, unless
// there was a panic before.
func Do[F any](h uintptr, do func(f F)) {
	v, err := handle.Handle(h).Value()
	if err != nil {
		panic(err)
	}
	s := v.(*call[F])
	if s.panicked != nil {
		return
	}
	defer func() { s.panicked = recover() }()
	do(s.f)
}
