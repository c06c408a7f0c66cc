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
)

// Bodies in C.
var (
	Echo   = unsafe.Pointer(C.capitest_echo)    // sends everything back to its parent
	PassOn = unsafe.Pointer(C.capitest_pass_on) // switches to its arg, a greenlet *
	Start  = unsafe.Pointer(C.capitest_start)   // makes a greenlet of its value, a Go function
)

// Suites are C functions that test by themselves.
var Suites = map[string]func() error{
	"manual":  func() error { return failure(C.capitest_manual()) },
	"misuse":  func() error { return failure(C.capitest_misuse()) },
	"rules":   func() error { return failure(C.capitest_rules()) },
	"threads": func() error { return failure(C.capitest_thread()) },
}

func failure(text *C.char) error {
	if text == nil {
		return nil
	}
	return errors.New(C.GoString(text))
}
