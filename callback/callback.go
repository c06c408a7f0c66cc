//go:build cgo && linux

package callback

import "github.com/go-greenlet/greenlet/internal/handle"

// A function is what a handle stands for.
type function[F any] struct {
	f F
	kept
}

// kept is a panic that waits until C has returned.
type kept struct{ panicked any }

func (k *kept) keep() *kept { return k }

// During calls c with a handle that stands for f until c returns. It panics with what a
// callback has panicked with.
func During[F any](f F, c func(h uintptr)) {
	h := New(f)
	defer func() {
		if err := Delete(h); err != nil {
			panic(err)
		}
	}()
	c(h)
	Rethrow(h)
}

// New makes a handle that stands for f until Delete, and keeps f alive: for a function that
// the library keeps, such as a hook, or one that a script can call. Each call of C from Go
// that may come to call it is to be followed by Rethrow.
func New[F any](f F) (h uintptr) { return uintptr(handle.New(&function[F]{f: f})) }

// Delete ends a handle of New. A handle that was deleted, or never was one, is an error. It
// may be called within a callback of that handle, which a library does that frees a function
// while it runs; a panic of that callback is lost then.
func Delete(h uintptr) error { return handle.Handle(h).Delete() }

// Rethrow panics with what a callback of that handle has panicked with, if one has; after
// that the handle can be called again. It panics with an error if h is no handle.
func Rethrow(h uintptr) {
	k := value(h).(interface{ keep() *kept }).keep()
	if p := k.panicked; p != nil {
		k.panicked = nil
		panic(p)
	}
}

// Do is what an exported function does: it calls do with what the handle stands for, which
// was given to During or New as an F. If do panics, Do returns, and the panic waits; while one
// waits, Do returns without calling anything. It panics with an error if h is no handle: then C
// has called after the end, and nobody is there to whom that could be said in another way.
func Do[F any](h uintptr, do func(f F)) {
	s := value(h).(*function[F])
	if s.panicked != nil {
		return
	}
	defer func() {
		if p := recover(); p != nil && s.panicked == nil { // else one of a call within this one waits
			s.panicked = p
		}
	}()
	do(s.f)
}

func value(h uintptr) any {
	v, err := handle.Handle(h).Value()
	if err != nil {
		panic(err)
	}
	return v
}
