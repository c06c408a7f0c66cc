//go:build !(linux && (amd64 || arm64 || riscv64))

package gort

import "errors"

// A FiberLayout is what C needs to know.
type FiberLayout struct {
	GGuard0, GPanic, GDefer, GM, GSchedSP, GSchedPC, GSchedCtxt, GSchedLR, GSchedBP            uint32
	GSyscallSP, GSyscallPC, GSyscallBP, GStktopSP, GStatus, GWaitReason, GThrowSplit, GLockedM uint32
	MG0, MCurg, MIncgo, MAccurate, MNcgo, MLockedG, MLocks, MTraceBuf0, MTraceBuf1             uint32
	ThreadGP, ThreadInPlace, ThreadOwn                                                         uint32
	WaitReason, StackGuard, FreshDepth                                                         uint32
	FreshPC, GoexitPC                                                                          uintptr
	Departure, Reentersyscall, Landing, Nothing                                                uintptr
}

// Fibers says that there is no assembly for this CPU.
func Fibers() (*FiberLayout, error) { return nil, errors.New("there is no assembly for this CPU") }

// NewFiber and EndFiber are not called.
func NewFiber() uintptr { return 0 }
func EndFiber(uintptr)  {}
