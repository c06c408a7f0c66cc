//go:build !(cgo && linux)

package greenlet

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"github.com/go-greenlet/greenlet/internal/gort"
)

// This file stands in for the C core where there is none: without cgo, and on other systems
// than Linux.

var withC = [2]candidate{{"one-m", "one M, without C", tryOneM}, {"portable", "portable", tryPortable}}

// tryOneM needs a root's M to be found out, by which its tree is found.
func tryOneM() (e switcher, details string, err error) {
	defer func() { notOneM = err }()
	if err := gort.Measure(); err != nil {
		return nil, "", err
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	ok, why := gort.OneM(0)
	if !ok {
		return nil, "", errors.New(why)
	}
	if err := gort.NewThread(nil, 0, 0, 0).Try(); err != nil {
		return nil, "", fmt.Errorf("a switch failed: %w", err)
	}
	return oneMEngine{}, why, nil
}

// notOneM is why tryOneM has refused, if it was asked.
var notOneM error

// tryPortable says why neither of the two can be used.
func tryPortable() (switcher, string, error) {
	if notOneM != nil {
		return nil, "", fmt.Errorf("%s, and %w", noC, notOneM)
	}
	return nil, "", errors.New(noC)
}

func (*thread) newOne() *gort.Thread { return gort.NewThread(nil, 0, 0, 0) }
func setFiberThread(*gort.Thread)    {}

// noC is why.
var noC = func() string {
	if runtime.GOOS != "linux" {
		return "the C core is written for Linux"
	}
	return "built without cgo"
}()

// Backend names what switches the C core's own stacks: "amd64", "arm64", "riscv64", "ucontext", or
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
func (*exceptions) clear()          {}
func uintptrOf(*exceptions) uintptr { return 0 }

// cState is what C knows of a greenlet: nothing.
type cState struct{}

func (*core) releaseCState() {}

func stackUsed(native) (int, error) { return 0, nil }
func trimStack(native)              {}

func loadSlot(word uintptr) unsafe.Pointer     { return lookupOwner(word) }
func storeSlot(word uintptr, v unsafe.Pointer) { setOwner(word, v) }
