//go:build cgo && linux

// Package ucontext tests the adoption of the C library's ucontext.
package ucontext

/*
#cgo CFLAGS: -I${SRCDIR}/.. -O2 -Wall
#include "ucontext_library.h"
*/
import "C"

import (
	"unsafe"

	"github.com/go-greenlet/greenlet/internal/foreign"
)

// Library returns false where the C library has no ucontext.
func Library() (foreign.Library, bool) {
	l := C.ucontext_library()
	return foreign.NewLibrary("ucontext", unsafe.Pointer(l)), l != nil
}
