//go:build cgo && linux

// Package fault makes the C core's system calls fail on demand, for tests.
package fault

// #cgo CFLAGS: -I${SRCDIR}/../../csrc
// #include "fault.h"
import "C"

import _ "github.com/go-greenlet/greenlet/csrc" // glet_fault_set

// A Point is a kind of call that can be made to fail.
type Point int

// The points of csrc/fault.h.
const (
	Malloc   Point = C.GLET_FAULT_MALLOC
	Mmap     Point = C.GLET_FAULT_MMAP
	Munmap   Point = C.GLET_FAULT_MUNMAP
	Guard    Point = C.GLET_FAULT_GUARD // MADV_GUARD_INSTALL, as if the kernel did not know it
	Mprotect Point = C.GLET_FAULT_MPROTECT
	Release  Point = C.GLET_FAULT_RELEASE // MADV_DONTNEED
	Key      Point = C.GLET_FAULT_KEY     // thread-local keys
	Advice   Point = C.GLET_FAULT_ADVICE  // MADV_GUARD_INSTALL, accepted and not followed
	Signal   Point = C.GLET_FAULT_SIGACTION
)

// Set makes the first to the last call of that kind from now on fail, counted
// from 1, in the whole process. The returned function takes it back.
func Set(p Point, first, last uint) (reset func()) {
	C.glet_fault_set(uint32(p), C.ulong(first), C.ulong(last))
	return func() { C.glet_fault_set(uint32(p), 0, 0) }
}

// Count returns how many calls of that kind there have been since Set.
func Count(p Point) uint { return uint(C.glet_fault_count(uint32(p))) }
