//go:build greenlet_foreign && cgo && linux

package boost

/*
#cgo CFLAGS: -I${SRCDIR}/.. -O2 -Wall
#cgo LDFLAGS: -lboost_context
#include "boost.h"
*/
import "C"

import (
	"unsafe"

	"github.com/go-greenlet/greenlet/internal/foreign"
)

// Library is boost.context.
func Library() foreign.Library {
	return foreign.NewLibrary("boost.context", unsafe.Pointer(&C.boost_library))
}
