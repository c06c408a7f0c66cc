//go:build !amd64 && !arm64

package gort

import "unsafe"

// Direct does nothing: there is no assembly for this CPU.
func Direct(Layout, Mode, uintptr) {}

// Switch goes on with the coroutine `to`.
func Switch(from, to unsafe.Pointer) { SwitchInC(to) }
