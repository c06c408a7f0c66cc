// Package callback makes Go functions callable from C libraries that only know how to call
// back, without a panic that skips the C frames in between.
//
// C is given a handle: a number, which it keeps wherever the library lets its callers keep
// a pointer of their own, and which the exported Go function gets back.
//
//	type visitor = func(path string) bool
//
//	func walk(dir *C.char, visit visitor) {
//		callback.During(visit, func(h uintptr) { C.walk(dir, C.uintptr_t(h)) })
//	}
//
//	//export visited
//	func visited(h C.uintptr_t, path *C.char) (stop C.int) {
//		stop = 1 // after a panic, too
//		callback.Do(uintptr(h), func(visit visitor) {
//			if visit(C.GoString(path)) {
//				stop = 0
//			}
//		})
//		return stop
//	}
//
// # Panics
//
// A panic must not skip the C frames, or what the C function has allocated, locked and
// opened is lost. So Do keeps it, and calls nothing more for that handle, until the C
// function has returned: During panics with it then. The exported function's results should
// begin as what tells the library to stop.
//
// That makes [greenlet.Greenlet.MustSwitch] fit for callbacks: what it unwinds with waits in
// the same way. [runtime.Goexit] cannot wait, and skips the C frames.
//
// # Greenlets
//
// A callback may switch, and others call the same library meanwhile: each call has its own
// handle. During may be called within a callback, for another handle.
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
		if p := recover(); p != nil {
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
