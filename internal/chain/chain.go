//go:build cgo && linux

// Package chain is a C library that chains its frames in a variable of the thread, for tests.
package chain

/*
#cgo CFLAGS: -I${SRCDIR}/../../csrc -O2 -Wall
#include "chain.h"
*/
import "C"

import (
	"unsafe"

	"github.com/go-greenlet/greenlet/callback"
)

// Word is the variable, of the calling thread, which the library has set up.
func Word() (at unsafe.Pointer, size uintptr) {
	C.chain_setup()
	return C.chain_word(), uintptr(C.chain_size())
}

// Setups is how often the library has set up the calling thread.
func Setups() int { return int(C.chain_setups()) }

// Carry has the calling thread's greenlets carry it, by the C interface, and returns the code.
func Carry() int {
	C.chain_setup()
	return int(C.greenlet_carry(C.chain_word(), C.chain_size()))
}

// CarryNothing makes the mistakes that can be made.
func CarryNothing() (codes []int) {
	for _, size := range []C.size_t{0, 1<<20 + 1, ^C.size_t(0)} {
		codes = append(codes, int(C.greenlet_carry(C.chain_word(), size)))
	}
	return append(codes, int(C.greenlet_carry(nil, 8)))
}

// Call calls f within depth frames of the library's; trapped says that f asked for it, and that the
// innermost frame has caught it.
func Call(depth int, f func() (trap bool)) (trapped bool) {
	code := C.int(0)
	callback.During(f, func(h uintptr) { code = C.chain_call(C.uintptr_t(h), C.int(depth)) })
	return code < 0
}

// Errno sets the C library's errno, calls f, and returns errno as it is in C then.
func Errno(e int, f func() bool) int {
	r := C.int(0)
	callback.During(f, func(h uintptr) { r = C.chain_errno(C.uintptr_t(h), C.int(e)) })
	return int(r)
}

// Broken counts frames that did not find themselves at the end of the chain.
func Broken() int { return int(C.chain_broken()) }

// Length is how many frames are in the calling thread's chain.
func Length() int { return int(C.chain_length()) }

//export chainCallback
func chainCallback(h C.uintptr_t) (trap C.int) {
	callback.Do(uintptr(h), func(f func() bool) {
		if f() {
			trap = 1
		}
	})
	return trap
}
