//go:build greenlet_foreign && cgo && linux

package boostfiber

/*
#cgo CFLAGS: -I${SRCDIR}/.. -O2 -Wall
#cgo CXXFLAGS: -I${SRCDIR}/.. -O2 -Wall
#cgo LDFLAGS: -lboost_fiber -lboost_context
#include "boostfiber_library.h"
*/
import "C"

import (
	"unsafe"

	"github.com/go-greenlet/greenlet/internal/foreign/hub"
)

// Library is boost.fiber.
func Library() hub.Library { return hub.NewLibrary(unsafe.Pointer(&C.boostfiber_library)) }
