//go:build cgo && linux

// Package hub tests the adoption of libraries that have threads of their own and a scheduler.
// Each of its subdirectories is one library, and has something in it with the build tag
// greenlet_foreign: make test-foreign.
package hub

/*
#cgo CFLAGS: -I${SRCDIR}/../../../csrc -O2 -Wall
#include "hub.h"
*/
import "C"

import (
	"fmt"
	"runtime"
	"unsafe"

	_ "github.com/go-greenlet/greenlet" // the runtime's hooks
	"github.com/go-greenlet/greenlet/callback"
)

// A Library is a C library with a scheduler.
type Library struct{ ops *C.hub_library }

// NewLibrary takes the address of a hub_library (hub.h).
func NewLibrary(ops unsafe.Pointer) Library { return Library{(*C.hub_library)(ops)} }

// Some libraries are for one OS thread of the process: all that they do is done on this one.
var calls = func() chan func() {
	c := make(chan func())
	go func() {
		runtime.LockOSThread()
		for f := range c {
			f()
		}
	}()
	return c
}()

// Run runs n of the library's threads, in each of which body is called, and waits for all.
// Adopted says whether Go is told of them.
func (l Library) Run(adopted bool, n int, body func(i int)) error {
	code := C.int(0)
	done := make(chan any)
	calls <- func() {
		defer func() { done <- recover() }()
		adopt := C.int(0)
		if adopted {
			adopt = 1
		}
		callback.During(body, func(h uintptr) { code = C.hub_run(l.ops, adopt, C.int(n), C.uintptr_t(h)) })
	}
	if p := <-done; p != nil {
		panic(p)
	}
	if code != 0 {
		return fmt.Errorf("hub: code %d", int(code))
	}
	return nil
}

// Pause lets other threads of the library run. To be called in a body.
func Pause() {
	if code := C.hub_pause(); code != 0 {
		panic(fmt.Sprintf("hub: pause: code %d", int(code)))
	}
}

//export hubBody
func hubBody(h C.uintptr_t, i C.int) { callback.Do(uintptr(h), func(f func(int)) { f(int(i)) }) }
