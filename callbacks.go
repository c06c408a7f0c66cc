//go:build cgo && linux

package greenlet

/*
#define GLET_GO_CALL // strong; see there
#include "go_calls.h"
#include "go_worker.h"
*/
import "C"

import (
	"runtime"

	"github.com/go-greenlet/greenlet/internal/gort"
	"github.com/go-greenlet/greenlet/internal/handle"
)

// This file holds the entries from C to Go. They only find the Go value that a
// handle names. A handle that names none would be a mistake of this package, and
// is a panic.

// greenletEnter is the life of a worker, on the worker's own stack, M and
// goroutine. It returns when the worker is retired.
//
//export greenletEnter
func greenletEnter(h C.uintptr_t) {
	C.glet_go_worker_entered()
	// It is locked, but by an internal count: without an external one the runtime would clone
	// new threads from this one, with what C has set on it (newm, proc.go).
	runtime.LockOSThread()
	mustValue[*worker](h).serve()
	runtime.UnlockOSThread()
}

// greenletThreadExit is called as the thread ends, by the C library's destructor
// for thread-local keys; or elsewhere, by a thread that was made for that.
//
//export greenletThreadExit
func greenletThreadExit(h C.uintptr_t, elsewhere C.int) { mustValue[*thread](h).ended(elsewhere != 0) }

// greenletReady is called before a thread's first fiber.
//
//export greenletReady
func greenletReady() C.int {
	if chooseEngine() != nil || onLines.Load() || oneM && useFibers() != nil {
		return C.GLET_EWORD
	}
	return C.GLET_OK
}

// greenletHasFrames says whether the goroutine that it is called on has Go frames
// below this call from C.
//
//export greenletHasFrames
func greenletHasFrames() C.int {
	if gort.CallerHasFrames() {
		return 1
	}
	return 0
}

func mustValue[T any](h C.uintptr_t) T {
	v, err := handle.Handle(h).Value()
	if err != nil {
		panic(err)
	}
	return v.(T)
}
