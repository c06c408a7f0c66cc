//go:build greenlet_foreign && cgo && linux

package pth

/*
#cgo CFLAGS: -I${SRCDIR}/.. -O2 -Wall
#cgo LDFLAGS: -lpth
#include "pth_library.h"
*/
import "C"

import (
	"unsafe"

	"github.com/go-greenlet/greenlet/internal/foreign/hub"
)

// Library is GNU Pth.
func Library() hub.Library { return hub.NewLibrary(unsafe.Pointer(&C.pth_library)) }
