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
	"github.com/go-greenlet/greenlet/internal/callback"
	"github.com/go-greenlet/greenlet/internal/handle"
)

// Bodies in C.
var (
	Echo   = unsafe.Pointer(C.capitest_echo)    // sends everything back to its parent
	PassOn = unsafe.Pointer(C.capitest_pass_on) // switches to its arg, a greenlet *
	Start  = unsafe.Pointer(C.capitest_start)   // makes a greenlet of its value, a Go function
)

// Suites are C functions that test by themselves.
var Suites = map[string]func() error{
	"manual":   func() error { return failure(C.capitest_manual()) },
	"misuse":   func() error { return failure(C.capitest_misuse()) },
	"rules":    func() error { return failure(C.capitest_rules()) },
	"sections": func() error { return failure(C.capitest_sections()) },
	"threads":  func() error { return failure(C.capitest_thread()) },
}

func failure(text *C.char) error {
	if text == nil {
		return nil
	}
	return errors.New(C.GoString(text))
}

// InSection calls f in a section of C that must not be left.
func InSection(f func()) {
	callback.During(f, func(h handle.Handle) { C.capitest_section(C.uintptr_t(h)) })
}

//export capitestCall
func capitestCall(h C.uintptr_t) { callback.Do(uintptr(h), func(f func()) { f() }) }
