//go:build greenlet_foreign && cgo && linux

package throw

/*
#cgo CPPFLAGS: -I${SRCDIR}/../../../csrc
#include "throw.h"
*/
import "C"

import (
	"unsafe"

	_ "github.com/go-greenlet/greenlet"
)

// Body throws.
var Body = unsafe.Pointer(C.throw_body)
