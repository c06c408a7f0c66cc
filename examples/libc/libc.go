// Package libc makes Go functions of three functions of the C library that only
// know how to call back: nftw(3) as an iterator, qsort(3) and bsearch(3).
//
// It knows nothing of greenlets, and shows what they add: a loop over Walk can be
// turned inside out by greenlet.Pull2, and the functions that Sort and Search call
// may switch to another greenlet, with the C frames suspended in between.
package libc

import "github.com/go-greenlet/greenlet/internal/handle"

// A call is a call into C that calls back. C gets a handle for it.
//
// A panic must not skip the C frames, or what the C function has allocated and
// opened is lost. So it waits in panicked until that function has returned.
// (runtime.Goexit cannot wait: C's memory is lost then.)
type call[F any] struct {
	f        F // the Go function to call back
	panicked any
}

// run calls c with a handle for a call of f.
func run[F any](f F, c func(h handle.Handle)) {
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

// back is what a callback does: it calls f, unless there was a panic before.
func back[F any](h uintptr, with func(f F)) {
	v, err := handle.Handle(h).Value()
	if err != nil {
		panic(err)
	}
	s := v.(*call[F])
	if s.panicked != nil {
		return
	}
	defer func() { s.panicked = recover() }()
	with(s.f)
}
