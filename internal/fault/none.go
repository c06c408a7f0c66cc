//go:build !(cgo && linux)

// Package fault makes the C core's system calls fail on demand, for tests. Where there is no
// C core it cannot: such tests are to be skipped before they call Set.
package fault

// A Point is a kind of call that could be made to fail.
type Point int

// Malloc is one.
const Malloc Point = 0

// Set panics.
func Set(Point, uint, uint) (reset func()) { panic("fault: there is no C core") }
