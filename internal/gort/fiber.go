//go:build linux && (amd64 || arm64 || riscv64)

package gort

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"
)

//lint:file-ignore U1000 The assembly uses what Go does not.

// Fibers: coroutines of C libraries, whose calls of Go run on goroutines of their own
// (csrc/fiber_onem.c, which says how, and knows of the runtime what is here).

// A FiberLayout is what C needs to know.
type FiberLayout struct {
	GGuard0, GPanic, GDefer, GM, GSchedSP, GSchedPC, GSchedCtxt, GSchedLR, GSchedBP            uint32
	GSyscallSP, GSyscallPC, GSyscallBP, GStktopSP, GStatus, GWaitReason, GThrowSplit, GLockedM uint32
	MG0, MCurg, MIncgo, MAccurate, MNcgo, MLockedG, MLocks, MTraceBuf0, MTraceBuf1             uint32
	ThreadGP, ThreadInPlace, ThreadOwn                                                         uint32 // of Thread
	WaitReason, StackGuard, FreshDepth                                                         uint32
	FreshPC, GoexitPC                                                                          uintptr
	Departure, Reentersyscall, Landing, Nothing                                                uintptr // entries
}

// arrival is where landing goes on: the beginning of struct traced_announcement in fiber_onem.c. It is
// here for its offsets, which the assembly uses.
type arrival struct {
	pc, sp, bp     uintptr // for reentersyscall
	reentersyscall uintptr
	cSP            uintptr
	land           uintptr // C function
}

var _ arrival

func fiberPCs() (departure, landing, nothing uintptr)

// Only their addresses are used.
func departure()
func landing()
func nothing()

// Fibers returns the layout, if fibers can be: after OneM has said yes.
func Fibers() (*FiberLayout, error) {
	reentersyscall, err := findReentersyscall()
	if err != nil {
		return nil, err
	}
	depart, land, none := fiberPCs()
	l := &FiberLayout{
		GGuard0: gGuard0, GPanic: gPanic, GDefer: gDefer, GM: gM, GSchedSP: gSchedSP, GSchedPC: gSchedPC,
		GSchedCtxt: gSchedCtxt, GSchedLR: gSchedLR, GSchedBP: gSchedBP,
		GSyscallSP: gSyscallSP, GSyscallPC: gSyscallPC, GSyscallBP: gSyscallBP, GStktopSP: gStktopSP,
		GStatus: gStatus, GWaitReason: gWaitReason, GThrowSplit: gThrowSplit, GLockedM: gLockedM,
		MG0: mG0, MCurg: mCurg, MIncgo: mIncgo, MAccurate: mAccurate, MNcgo: mNcgo, MLockedG: mLockedG,
		MLocks: mLocks, MTraceBuf0: mTraceBuf0, MTraceBuf1: mTraceBuf1,
		ThreadGP:      uint32(unsafe.Offsetof(Thread{}.gp)),
		ThreadInPlace: uint32(unsafe.Offsetof(Thread{}.inPlace)),
		ThreadOwn:     uint32(unsafe.Offsetof(Thread{}.own)),
		WaitReason:    uint32(waitReason), StackGuard: uint32(stackGuard), FreshDepth: uint32(freshDepth),
		FreshPC: freshPC, GoexitPC: goexitPC,
		Departure: depart, Reentersyscall: reentersyscall, Landing: land, Nothing: none,
	}
	if f := runtime.FuncForPC(goexitPC - 1); f == nil || f.Name() != "runtime.goexit" {
		return nil, fmt.Errorf("a new goroutine does not return to runtime.goexit but to %#x", goexitPC)
	}
	return l, nil
}

// findReentersyscall finds runtime.reentersyscall, which lies, as runtime.LockOSThread
// does, in proc.go, and before it.
func findReentersyscall() (uintptr, error) {
	lock := runtime.LockOSThread
	pc := **(**uintptr)(unsafe.Pointer(&lock))
	for range 4000 {
		f := runtime.FuncForPC(pc - 1)
		if f == nil {
			break
		}
		pc = f.Entry()
		if runtime.FuncForPC(pc).Name() == "runtime.reentersyscall" { // see find
			return pc, nil
		}
	}
	return 0, errors.New("runtime.reentersyscall is not before runtime.LockOSThread")
}

// NewFiber makes a goroutine that has not run, and that only EndFiber will ever run as
// it is. The runtime's list of goroutines keeps it.
func NewFiber() uintptr {
	g := newcoro(func(*coro) {}).gp
	fibers.Store(g, true)
	anyFibers.Store(true)
	return g
}

// EndFiber ends a goroutine of NewFiber, which waits, whatever is on its stack.
func EndFiber(g uintptr) {
	fibers.Delete(g)
	end(g, &coro{f: func(*coro) {}})
}
