//go:build !amd64 && !arm64

package gort

// A Coro is a coroutine of the C core.
type Coro struct{}

// Direct does nothing: there is no assembly for this CPU.
func Direct(Layout, Mode, uintptr) {}

// Switch is never called here.
func Switch(from, to *Coro) bool { return false }
