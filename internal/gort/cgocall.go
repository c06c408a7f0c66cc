//go:build cgo && linux

package gort

import "unsafe"

// CgoCall calls a C function of one pointer that returns an int. It is what a
// cgo wrapper ends in, without the wrapper: runtime.cgocall, which the runtime
// publishes with a push linkname. The C function gets arg as it is; nothing keeps
// alive or checks what it points to.
//
//go:linkname CgoCall runtime.cgocall
//go:noescape
func CgoCall(fn, arg unsafe.Pointer) int32
