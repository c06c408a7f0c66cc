//go:build cgo && linux

// Package capitest is C code that uses csrc/greenlet.h, for its tests.
package capitest

/*
#cgo CFLAGS: -I${SRCDIR}/../../csrc -O2 -Wall -Wextra
#include "capitest.h"
*/
import "C"

import (
	"errors"
	"unsafe"

	_ "github.com/go-greenlet/greenlet" // which the header is of
	"github.com/go-greenlet/greenlet/callback"
	"github.com/go-greenlet/greenlet/internal/handle"
)

// Bodies in C.
var (
	Echo     = unsafe.Pointer(C.capitest_echo)      // sends everything back to its parent
	PassOn   = unsafe.Pointer(C.capitest_pass_on)   // switches to its arg, a greenlet *
	Start    = unsafe.Pointer(C.capitest_start)     // makes a greenlet of its value, a Go function, and returns what comes of it
	CleansUp = unsafe.Pointer(C.capitest_cleans_up) // as Start, and hears of an error of another one after it
	Holds    = unsafe.Pointer(C.capitest_holds)     // has the complement of its arg, and switches to its parent
	Code     = unsafe.Pointer(C.capitest_code)      // returns its arg
	Refused  = unsafe.Pointer(C.capitest_refused)   // sends its value in a section, which is refused, and then again
)

// Suites are C functions that test by themselves.
var Suites = map[string]func() error{
	"manual":   func() error { return failure(C.capitest_manual()) },
	"misuse":   func() error { return failure(C.capitest_misuse()) },
	"rules":    func() error { return failure(C.capitest_rules()) },
	"sections": func() error { return failure(C.capitest_sections()) },
	"mask":     func() error { return failure(C.capitest_mask()) },
	"threads":  func() error { return failure(C.capitest_thread()) },
}

func failure(text *C.char) error {
	if text == nil {
		return nil
	}
	return errors.New(C.GoString(text))
}

// Named is Echo, whose own reference is known to Ask and Adopt.
var Named = unsafe.Pointer(C.capitest_named)

// Ask asks for the state of the last Named, and Adopt makes a greenlet whose parent it is.
func Ask() int   { return int(C.capitest_ask()) }
func Adopt() int { return int(C.capitest_adopt()) }

// StartThread is Start on a thread that C makes. It returns the code, and the message.
func StartThread(f func(any) (any, error)) (int, string) {
	var message [256]C.char
	h := handle.New(f)
	code := C.capitest_start_thread(*(*unsafe.Pointer)(unsafe.Pointer(&h)), &message[0])
	return int(code), C.GoString(&message[0])
}

// Returns counts how often the switch in Start has returned to C.
func Returns() int { return int(C.capitest_returns()) }

// CurrentThread is greenlet_current on a thread that C makes.
func CurrentThread() int { return int(C.capitest_current_thread()) }

// EnterSection begins a section that nobody leaves.
func EnterSection() int { return int(C.greenlet_enter_section()) }

// Codes for tests.
const (
	EGo     = int(C.GREENLET_EGO)
	EPanic  = int(C.GREENLET_EPANIC)
	EGoexit = int(C.GREENLET_EGOEXIT)
	EFreed  = int(C.GREENLET_EFREED)
	EThread = int(C.GREENLET_ETHREAD)
	ENoRun  = int(C.GREENLET_ENORUN)
	ECycle  = int(C.GREENLET_ECYCLE)
)

// InSection calls f in a section of C that must not be left.
func InSection(f func()) {
	callback.During(f, func(h uintptr) { C.capitest_section(C.uintptr_t(h)) })
}

//export capitestCall
func capitestCall(h C.uintptr_t) { callback.Do(uintptr(h), func(f func()) { f() }) }

// Hold calls f from a C function that has the complement of secret, which nobody else has.
func Hold(secret uintptr, f func()) {
	callback.During(f, func(h uintptr) { C.capitest_hold(C.uintptr_t(secret), C.uintptr_t(h)) })
}

// Find returns on how many of the thread's C stacks the complement of secret is found.
func Find(secret uintptr) int { return int(C.capitest_find(C.uintptr_t(secret))) }
