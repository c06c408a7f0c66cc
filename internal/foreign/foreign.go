//go:build cgo && linux

// Package foreign tests the adoption of other C libraries' coroutines
// (csrc/fiber.h). Each of its subdirectories is one library. What is there to be
// tested is the same for all of them and is in package foreigntest.
package foreign

/*
#cgo CFLAGS: -I${SRCDIR}/../../csrc -O2 -Wall
#include "coroutine.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"syscall"
	"time"
	"unsafe"

	_ "github.com/go-greenlet/greenlet" // the runtime's hooks
	"github.com/go-greenlet/greenlet/internal/handle"
)

// A Library is a C library with coroutines.
type Library struct {
	Name string
	ops  *C.foreign_library
}

// NewLibrary takes the address of a foreign_library (foreign.h).
func NewLibrary(name string, ops unsafe.Pointer) Library {
	return Library{name, (*C.foreign_library)(ops)}
}

// Adoption is how coroutines are made known to greenlet.
type Adoption int

// Not at all; with the stack's bounds; without them.
const (
	None Adoption = iota
	Known
	Unknown
)

// A Coroutine is one of the library's.
type Coroutine struct {
	c    *C.foreign
	body handle.Handle
}

// New makes a coroutine that calls body, from C, as long as it returns true. In it
// yield suspends the coroutine: Go, C, Go, C.
func (l Library) New(a Adoption, body func(yield func()) bool) (*Coroutine, error) {
	co := &Coroutine{body: handle.New(body)}
	adopt, known := C.int(0), C.size_t(0)
	if a != None {
		adopt = 1
	}
	if a == Known {
		known = 1
	}
	var c *C.foreign
	if err := failure(C.foreign_new(&c, l.ops, adopt, known, C.uintptr_t(co.body))); err != nil {
		return nil, errors.Join(err, co.body.Delete())
	}
	co.c = c
	return co, nil
}

// Resume goes on with the coroutine until it yields or is done.
func (co *Coroutine) Resume() error { return failure(C.foreign_resume(co.c)) }

// Announce announces n pairs of switches, to the coroutine, which is of adoption
// Unknown, and back, without making them.
func (co *Coroutine) Announce(n int) error { return failure(C.foreign_announce(co.c, C.long(n))) }

// AnnounceFor does that for some time, all in C.
func (co *Coroutine) AnnounceFor(d time.Duration) error {
	return failure(C.foreign_announce_for(co.c, C.long(d.Milliseconds())))
}

// Announced is how many pairs were.
func (co *Coroutine) Announced() int { return int(co.c.announced) }

// Done says that body has returned false.
func (co *Coroutine) Done() bool { return co.c.done != 0 }

// Free frees the coroutine, whatever is suspended on it.
func (co *Coroutine) Free() error {
	if err := failure(C.foreign_free(co.c)); err != nil {
		return err
	}
	return co.body.Delete()
}

//export foreignCallback
func foreignCallback(body, self C.uintptr_t) C.int {
	f, err := handle.Handle(body).Value()
	if err != nil {
		panic(err)
	}
	c := *(**C.foreign)(unsafe.Pointer(&self))
	again := f.(func(func()) bool)(func() {
		if err := failure(C.foreign_yield(c)); err != nil {
			panic(err)
		}
	})
	if again {
		return 1
	}
	return 0
}

// Misuse makes every mistake that the calls of fiber.h can be made with.
func (l Library) Misuse() error {
	if line := C.foreign_misuse(l.ops); line != 0 {
		return fmt.Errorf("misuse.c:%d: not the code it should be", int(line))
	}
	return nil
}

// Thread calls f on a thread that C makes, and returns when that has ended.
func Thread(f func()) error {
	h := handle.New(f)
	if e := C.foreign_thread(C.uintptr_t(h)); e != 0 {
		return errors.Join(syscall.Errno(e), h.Delete())
	}
	return h.Delete()
}

//export foreignRun
func foreignRun(h C.uintptr_t) {
	f, err := handle.Handle(h).Value()
	if err != nil {
		panic(err)
	}
	f.(func())()
}

// An Error is a code of the C core.
type Error int

const (
	ErrBusy   Error = C.GLET_EBUSY   // the coroutine runs
	ErrDone   Error = C.GLET_EDONE   // it was given up
	ErrFrames Error = C.GLET_EFRAMES // Go functions are suspended on it
	ErrKey    Error = C.GLET_EKEY    // no thread-local key
	ErrNoMem  Error = C.GLET_ENOMEM  // no memory
	ErrThread Error = C.GLET_ETHREAD // it is another thread's
)

func (e Error) Error() string { return C.GoString(C.glet_text(C.int(e))) }

func failure(code C.int) error {
	if code == C.GLET_OK {
		return nil
	}
	return Error(code)
}
