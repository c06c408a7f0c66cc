//go:build greenlet_foreign && cgo && linux

package st

/*
#cgo CFLAGS: -I${SRCDIR}/.. -O2 -Wall
#cgo LDFLAGS: -lst
#include "st_library.h"
*/
import "C"

import (
	"unsafe"

	"github.com/go-greenlet/greenlet/internal/foreign/hub"
)

// Library is State Threads.
func Library() hub.Library { return hub.NewLibrary(unsafe.Pointer(&C.st_library)) }
