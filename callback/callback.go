//go:build cgo && linux

package callback

import "github.com/go-greenlet/greenlet/internal/handle"

// A function is the Go value behind a handle.
type function[F any] struct {
	f F
	kept
}

// kept is the part of a function that does not depend on F, which Rethrow does not know.
type kept struct {
	// panicked is the value of a panic that Do has recovered and Rethrow has not yet thrown; nil:
	// none. (The value of a panic is never nil since Go 1.21.) There is no lock, so callbacks of
	// one handle must not run on two threads at the same time.
	panicked any
}

func (k *kept) keep() *kept { return k }

// During calls c with a handle for f, which is valid until c returns. If a callback has
// panicked, During panics with the same value after that.
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

// New makes a handle for f that is valid until Delete, and keeps f alive until then. It is for a
// function that the library keeps, such as a hook, or one that a script can call. After each
// call of a C function that may call f, the program has to call Rethrow.
func New[F any](f F) (h uintptr) { return uintptr(handle.New(&function[F]{f: f})) }

// Delete ends a handle of New. The error says that h was deleted before, or that it never was a
// handle. Delete may be called within a callback of the same handle, since some libraries free a
// function while it runs; a panic of that callback is lost then.
func Delete(h uintptr) error { return handle.Handle(h).Delete() }

// Rethrow panics with the value with which a callback of that handle has panicked, if one has;
// after that the handle can be called again. It panics with an error if h is not a handle.
func Rethrow(h uintptr) {
	k := value(h).(interface{ keep() *kept }).keep()
	if p := k.panicked; p != nil {
		k.panicked = nil
		panic(p)
	}
}

// Do is the body of an exported function: it calls do with the value that was given to During or
// New, which must have been an F. If do panics, Do returns normally and keeps the panic for During
// or Rethrow; while it keeps one, it calls nothing. Do panics with an error if h is not a
// handle: then C has made a call after the end of During or Delete, and has no caller in Go to
// which an error could be returned.
func Do[F any](h uintptr, do func(f F)) {
	s := value(h).(*function[F])
	if s.panicked != nil {
		return
	}
	defer func() {
		if p := recover(); p != nil && s.panicked == nil { // the panic of a nested callback has precedence, since it came first
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
