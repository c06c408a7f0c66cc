//go:build !(cgo && linux)

package greenlet

import (
	"errors"
	"runtime"
	"unsafe"
)

// This file stands in for the C core where there is none: without cgo, and on other systems
// than Linux.

var withC = [2]candidate{{"one-m", "one M", tryC}, {"portable", "portable", tryC}}

func tryC() (switcher, string, error) { return nil, "", errors.New(noC) }

// noC is why.
var noC = func() string {
	if runtime.GOOS != "linux" {
		return "the C core is written for Linux"
	}
	return "built without cgo"
}()

// Backend names what switches the C core's own stacks: "amd64", "arm64", "ucontext", or
// "none" in a build without it.
func Backend() string { return "none" }

// NewC is New with a body in C, and needs cgo on Linux: here, the greenlet ends with an error
// that says so as soon as it is started.
func NewC(fn, arg unsafe.Pointer, opts ...Option) *Greenlet {
	if fn == nil {
		return New(nil, opts...)
	}
	return New(func(any) (any, error) { return nil, errNoC }, opts...)
}

var errNoC = errors.New("greenlet: a body in C needs Linux and a build with cgo: " + noC)

// A CError is a code of a C program's own, 1 or above: what the body of a C greenlet
// has returned, or what C has thrown.
type CError int

// An attachment keeps what C has a reference to.
type attachment struct{}

func (*thread) attach() error { return nil }
func (*thread) detach()       {}

// exceptions would be those of C++.
type exceptions struct{}

func errnoAddress() *int32          { return nil }
func threadExceptions() *exceptions { return nil }
func (*exceptions) lose()           {}

// inC is what C knows of a greenlet: nothing.
type inC struct{}

func (*core) leaveC() {}

func stackUsed(native) (int, error) { return 0, nil }
func trimStack(native)              {}

func local(word uintptr) unsafe.Pointer       { return placed(word) }
func setLocal(word uintptr, v unsafe.Pointer) { setPlaced(word, v) }
