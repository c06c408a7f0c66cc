//go:build cgo && linux

package greenlet

/*
#define GLET_GO_CALL // not weak, since Go defines these functions; see go_calls.h
#include "go_calls.h"
#include "go_worker.h"
*/
import "C"

import (
	"runtime"

	"github.com/go-greenlet/greenlet/internal/gort"
	"github.com/go-greenlet/greenlet/internal/handle"
)

// This file has the functions of Go that the C core calls, but for those of fiber.go and capi.go.
// Each finds the Go value that a handle names. A handle that names none is a defect of this
// package, and so a panic.

// greenletEnter runs a worker of the portable engine, on the worker's own C stack, M and
// goroutine. It returns when the worker is retired.
//
//export greenletEnter
func greenletEnter(h C.uintptr_t) {
	C.glet_go_worker_entered()
	// In a call from C the goroutine is locked by the internal count only. Without an external
	// lock, too, the runtime would create threads from this one, and they would inherit what C
	// has changed on it (newm, proc.go). A body that unlocks once too often is not to undo it
	// for those that run here afterwards.
	lockThread()
	mustValue[*worker](h).serve()
	unlockThread()
}

// greenletThreadExit is called when a thread ends, on that thread, by the destructor of a
// thread-local key.
//
//export greenletThreadExit
func greenletThreadExit(h C.uintptr_t) {
	runtime.LockOSThread() // see greenletEnter
	setFiberThread(nil)
	storeSlot(slotTree, nil)
	storeSlot(slotThread, nil)
	// The record of exceptions is asked for again, since LLVM's C++ runtime frees its own as the thread ends.
	mustValue[*thread](h).ended(threadExceptions())
	runtime.UnlockOSThread()
}

// greenletReady is called before a thread's first fiber is made. It chooses the engine and makes
// fibers ready on it.
//
//export greenletReady
func greenletReady() C.int {
	if chooseEngine() != nil || onLines.Load() || oneM && useFibers() != nil {
		return C.GLET_EWORD
	}
	return C.GLET_OK
}

// greenletHasFrames says whether the calling goroutine has Go frames below this call from C.
//
//export greenletHasFrames
func greenletHasFrames() C.int {
	if gort.CallerHasFrames() {
		return 1
	}
	return 0
}

// mustValue is the value that h names.
func mustValue[T any](h C.uintptr_t) T {
	v, err := handle.Handle(h).Value()
	if err != nil {
		panic(err)
	}
	return v.(T)
}
