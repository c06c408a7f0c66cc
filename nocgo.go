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
// than Linux. Its functions without a comment are described in cgo_bridge.go and capi.go.

// withC has the candidates that come before those of withoutC. The portable one always refuses,
// so that Runtime and errors say why.
var withC = [2]candidate{{"one-m", "one M, without C", tryOneM}, {"portable", "portable", tryPortable}}

// tryOneM needs the measurements by which the M of a goroutine is found, since trees are found by
// the M (owners.go).
func tryOneM() (e switcher, details string, err error) {
	defer func() { notOneM = err }()
	if err := gort.Measure(); err != nil {
		return nil, "", err
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	ok, details := gort.OneM(0)
	if !ok {
		return nil, "", errors.New(details)
	}
	if err := gort.NewThread(nil, 0, 0, 0).Try(); err != nil {
		return nil, "", fmt.Errorf("a switch failed: %w", err)
	}
	return oneMEngine{}, details, nil
}

// notOneM is the error of tryOneM; nil: it was not tried. tryPortable reads it.
var notOneM error

// tryPortable returns an error that says why neither of the two engines can be used.
func tryPortable() (switcher, string, error) {
	if notOneM != nil {
		return nil, "", fmt.Errorf("%s, and %w", noC, notOneM)
	}
	return nil, "", errors.New(noC)
}

func (*thread) newCarrier() *gort.Thread { return gort.NewThread(nil, 0, 0, 0) }
func setFiberThread(*gort.Thread)        {}

// noC says why there is no C core.
var noC = func() string {
	if runtime.GOOS != "linux" {
		return "the C core is written for Linux"
	}
	return "built without cgo"
}()

// Backend names the code by which the C core switches its own stacks: "amd64", "arm64" or
// "riscv64" for assembly, "ucontext" for the C library's functions, and "none" in a build without
// the C core.
func Backend() string { return "none" }

// NewC is New with a body in C, and needs cgo on Linux. In this build the greenlet ends, as soon
// as it is started, with an error that says so.
func NewC(fn, arg unsafe.Pointer, opts ...Option) *Greenlet {
	if fn == nil {
		return New(nil, opts...)
	}
	return New(func(any) (any, error) { return nil, errNoC }, opts...)
}

var errNoC = errors.New("greenlet: a body in C needs Linux and a build with cgo: " + noC)

// A CError is an error code of a C program's own, 1 or above, which the body of a C greenlet
// has returned or C has thrown.
type CError int

// An attachment would be a handle for C.
type attachment struct{}

func (*thread) attach() error { return nil }
func (*thread) detach()       {}

func nextEndedThread() *thread { return nil }

// exceptions would be the C++ runtime's record of a thread.
type exceptions struct{}

func errnoAddress() *int32          { return nil }
func threadExceptions() *exceptions { return nil }
func (*exceptions) clear()          {}
func uintptrOf(*exceptions) uintptr { return 0 }

// cState is what C was told in a greenlet: nothing.
type cState struct{}

func (*core) releaseCState() {}

func stackUsed(native) (int, error) { return 0, nil }
func trimStack(native)              {}

func loadSlot(slot uintptr) unsafe.Pointer     { return lookupOwner(slot) }
func storeSlot(slot uintptr, v unsafe.Pointer) { setOwner(slot, v) }
