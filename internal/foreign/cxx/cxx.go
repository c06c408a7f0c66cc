//go:build greenlet_foreign && cgo && linux

package cxx

/*
#cgo CPPFLAGS: -I${SRCDIR}/../../../csrc
#cgo CXXFLAGS: -std=c++17 -O2 -Wall -Wextra -Werror
#include <stdlib.h>
#include "cxx.h"
*/
import "C"

import (
	"unsafe"

	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/internal/handle"
)

// Bodies in C++.
var (
	Handle = unsafe.Pointer(C.cxx_handle) // throws and catches, and suspends wherever it can; returns more than its arg
	Escape = unsafe.Pointer(C.cxx_escape) // lets an exception get away; its arg is which
	Panic  = unsafe.Pointer(C.cxx_panic)  // calls Go in a catch block, which panics
	Look   = unsafe.Pointer(C.cxx_look)   // returns nil if no exception is there
)

// InCatch calls f in a catch block of C++. It returns how many checks, of all
// functions here, have failed so far.
func InCatch(f func()) int {
	h := handle.New(f)
	failures := C.cxx_in_catch(C.uintptr_t(h))
	if err := h.Delete(); err != nil {
		panic(err)
	}
	return int(failures)
}

// Alive is the number of things that Escape has made and not destroyed.
func Alive() int { return int(C.cxx_alive()) }

// Unfinished says what is wrong with coroutines that end in a catch block, or "".
func Unfinished() string {
	if text := C.cxx_unfinished(); text != nil {
		return C.GoString(text)
	}
	return ""
}

// Arg is a body's arg.
func Arg(kind string) (arg unsafe.Pointer, free func()) {
	s := C.CString(kind)
	return unsafe.Pointer(s), func() { C.free(unsafe.Pointer(s)) }
}

//export cxxSuspend
func cxxSuspend() {
	if _, err := greenlet.Current().Parent().Switch(nil); err != nil {
		panic(err)
	}
}

//export cxxPanic
func cxxPanic() { panic("out of a catch block") }

//export cxxCall
func cxxCall(h C.uintptr_t) {
	f, err := handle.Handle(h).Value()
	if err != nil {
		panic(err)
	}
	f.(func())()
}
