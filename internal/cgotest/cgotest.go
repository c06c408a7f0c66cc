//go:build cgo && linux

// Package cgotest is C code for this module's tests: test files cannot use cgo.
package cgotest

/*
#cgo CFLAGS: -I${SRCDIR}/../../csrc -O2 -Wall
#cgo LDFLAGS: -lm
#cgo riscv64 LDFLAGS: -latomic
#include "cgotest.h"
#include <unistd.h>
*/
import "C"

import (
	"fmt"
	"math"
	"runtime"
	"syscall"
	"time"
	"unsafe"

	_ "github.com/go-greenlet/greenlet/csrc" // the core under test
	"github.com/go-greenlet/greenlet/internal/handle"
)

// Available says whether there is C.
const Available = true

// Glibc says whether the C library is glibc. Where it is not, tests take it for musl.
const Glibc = C.CGOTEST_GLIBC != 0

// Call calls f from C: Go, C, Go.
func Call(f func()) {
	h := handle.New(f)
	defer func() {
		if err := h.Delete(); err != nil {
			panic(err)
		}
	}()
	CallHandle(h)
}

// CallHandle is Call with the handle of f.
func CallHandle(h handle.Handle) { C.cgotest_call(C.uintptr_t(h)) }

// OnThread calls f on a thread that C makes, and returns when that has ended.
func OnThread(f func()) error {
	h := handle.New(f)
	code := C.cgotest_on_thread(C.uintptr_t(h))
	if err := h.Delete(); err != nil {
		return err
	}
	if code != 0 {
		return syscall.Errno(code)
	}
	return nil
}

//export cgotestCallback
func cgotestCallback(h C.uintptr_t) {
	f, err := handle.Handle(h).Value()
	if err != nil {
		panic(err)
	}
	f.(func())()
}

// Locals calls f from C with an array of that many bytes on the C stack, filled
// with a pattern, and says whether the pattern was still there afterwards.
func Locals(bytes int, f func()) bool {
	h := handle.New(f)
	defer func() {
		if err := h.Delete(); err != nil {
			panic(err)
		}
	}()
	return C.cgotest_locals(C.uintptr_t(h), C.size_t(bytes)) != 0
}

// Step writes the byte on the C stack that is that many bytes below, and nothing in
// between.
func Step(bytes int) { C.cgotest_step(C.size_t(bytes)) }

// Fault reads from nowhere, in C.
func Fault() { C.cgotest_fault() }

// Sleep sleeps in C.
func Sleep(d time.Duration) { C.usleep(C.useconds_t(d.Microseconds())) }

// Recurse calls a C function that calls itself that often.
func Recurse(depth int) { C.cgotest_recurse(C.int(depth)) }

// RoundingBetween calls f twice from one C function, which sets the rounding mode to upward
// in between, and leaves it so.
func RoundingBetween(f func()) {
	h := handle.New(f)
	defer func() {
		if err := h.Delete(); err != nil {
			panic(err)
		}
	}()
	C.cgotest_rounding_between(C.uintptr_t(h))
}

// RoundingUp calls f from C with the rounding mode set to upward, and says whether
// it still was afterwards.
func RoundingUp(f func()) bool {
	h := handle.New(f)
	defer func() {
		if err := h.Delete(); err != nil {
			panic(err)
		}
	}()
	return C.cgotest_rounding_up(C.uintptr_t(h)) != 0
}

// RoundUp sets the rounding mode to upward, and leaves it so.
func RoundUp() { C.cgotest_round_up() }

// RoundsUp says whether the thread rounds upward now, in the vector unit and, where
// there is one, the x87.
func RoundsUp() bool { return C.cgotest_rounds_up() != 0 }

// StackAddress returns the address of a local variable of a C function called
// from here: where the calling greenlet's C stack is.
func StackAddress() uintptr { return uintptr(C.cgotest_stack_address()) }

// Registers fills all callee-saved registers and the floating-point control words
// with patterns, switches between two coroutines that do so, and reports what was
// not preserved.
func Registers(rounds int) error {
	if r := C.cgotest_registers(C.int(rounds)); r.code != 0 || r.wrong != 0 {
		return fmt.Errorf("code %d, wrong registers %#x", r.code, uint64(r.wrong))
	}
	return nil
}

// Misuse makes every mistake that the C core's functions can be called with, and
// reports the first that did not get its code.
func Misuse() error {
	if line := C.cgotest_misuse(); line != 0 {
		return fmt.Errorf("cgotest.c:%d: not the code it should be", int(line))
	}
	return nil
}

// PingPong makes two C coroutines that switch to each other, and returns how many
// nanoseconds one switch took.
func PingPong(switches int) (float64, error) {
	ns := float64(C.cgotest_ping_pong(C.long(switches)))
	if math.Signbit(ns) {
		return 0, fmt.Errorf("code %v", -ns)
	}
	return ns, nil
}

// Usage is the C core's account of its stacks.
type Usage struct {
	Stacks, Slabs, Reserved int
	Guard                   int // 0: none yet, 1: MADV_GUARD_INSTALL, 2: mprotect
}

// StackUsage returns that account, for the whole process.
func StackUsage() Usage {
	var u C.glet_usage
	C.glet_stack_usage(&u)
	return Usage{int(u.stacks), int(u.slabs), int(u.reserved), int(u.guard_kind)}
}

// Stack takes a stack of that size and gives it back.
func Stack(bytes int) error {
	if code := C.cgotest_stack(C.size_t(bytes)); code != 0 {
		return fmt.Errorf("code %d: %s", int(code), C.GoString(C.glet_text(code)))
	}
	return nil
}

// UseContexts makes every call from C have a traceback context, for the rest of the
// process. It returns how many are live now, and how many that are not live were used.
func UseContexts() (live, wrong func() int) {
	runtime.SetCgoTraceback(0, unsafe.Pointer(C.cgotest_traceback), unsafe.Pointer(C.cgotest_context), nil)
	return func() int { return int(C.cgotest_live_contexts()) }, func() int { return int(C.cgotest_wrong_contexts()) }
}
