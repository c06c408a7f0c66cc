//go:build cgo && linux

package gort

import "unsafe"

// The C functions that the runtime calls to learn the bounds of a stack that C
// calls Go on (callbackUpdateSystemStack, cgocall.go), and to bind a new extra M
// to its thread (cgoBindM, proc.go). runtime/cgo publishes both with a push
// linkname, which is what allows another package to name them.
var (
	//go:linkname _cgo_getstackbound _cgo_getstackbound
	_cgo_getstackbound unsafe.Pointer
	//go:linkname _cgo_bindm _cgo_bindm
	_cgo_bindm unsafe.Pointer
)

// Hooks returns the C functions in force.
func Hooks() (getstackbound, bindm unsafe.Pointer) {
	return _cgo_getstackbound, _cgo_bindm
}

// SetHooks replaces them. It must be called before the first callback that could
// need them, from an init function.
func SetHooks(getstackbound, bindm unsafe.Pointer) {
	_cgo_getstackbound, _cgo_bindm = getstackbound, bindm
}
