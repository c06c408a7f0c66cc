//go:build greenlet_foreign && cgo && linux

package pcl

/*
#cgo CFLAGS: -I${SRCDIR}/.. -O2 -Wall
#cgo LDFLAGS: -lpcl
#include "pcl_library.h"
*/
import "C"

import (
	"unsafe"

	"github.com/go-greenlet/greenlet/internal/foreign"
)

// Library is PCL.
func Library() foreign.Library {
	return foreign.NewLibrary("pcl", unsafe.Pointer(&C.pcl_library))
}
