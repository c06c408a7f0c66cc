//go:build (linux && (amd64 || arm64 || riscv64)) || (windows && amd64 && !cgo)

package gort

import (
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	_ "unsafe" // for linkname
)

// This file looks at the stacks of other goroutines, from any goroutine and without a stop
// of the world. Whoever has a goroutine's scan bit owns its stack: it neither runs nor is
// moved, in whatever state it waits. The collector takes it for that (suspendG,
// preempt.go), and the runtime's own functions then unwind it (scanstack, mgcmark.go).
//
// Whoever has the bit must not be preempted: others wait for it without a pause, also while
// the world is to be stopped. So the caller is pinned to its processor meanwhile.

// States of runtime2.go that have been the same in all supported versions.
const (
	gRunnable = 1
	gSyscall  = 3
	gScan     = 0x1000
)

//go:linkname procPin runtime.procPin
func procPin() int

//go:linkname procUnpin runtime.procUnpin
func procUnpin()

// gcallers is runtime.gcallers (traceback.go): the return addresses on the stack of a
// goroutine that does not run, the innermost first, for runtime.CallersFrames.
var gcallers func(g uintptr, skip int, pcs []uintptr) int

// unwinder finds gcallers when it is needed for the first time. Where in the runtime's code
// it is depends on the version, so all of that is looked at by name, backwards from
// runtime.goexit, which is in assembly and so behind the rest.
var unwinder = sync.OnceValue(func() error {
	if goexitPC == 0 {
		return errors.New("the engine of one M is not in use")
	}
	pc := goexitPC
	for range 20_000 {
		f := runtime.FuncForPC(pc)
		if f == nil {
			break
		}
		pc = f.Entry()
		if runtime.FuncForPC(pc).Name() == "runtime.gcallers" { // see find
			gcallers = funcAt[func(uintptr, int, []uintptr) int](pc)
			return nil
		}
		pc--
	}
	return errors.New("runtime.gcallers was not found")
})

// CanSnapshot says whether Snapshot can be used, or why not. It is called after OneM has said yes.
func CanSnapshot() error { return unwinder() }

// A Snapshot is what a look at a coroutine's goroutine has found.
type Snapshot struct {
	State SnapshotState
	N     int // how many addresses were written
	// The C stack that a suspended one keeps, in bytes, and how deep it is in use there.
	Stack, Used int
}

// SnapshotState says what the goroutine did at that time.
type SnapshotState int

const (
	SnapshotNothing SnapshotState = iota // it cannot be looked at
	SnapshotRunning                      // it runs Go code, and was not looked at
	SnapshotInC                          // it runs C code
	SnapshotReady                        // it waits for a processor
	SnapshotWaiting                      // it is suspended, or waits for something of Go's
	SnapshotBusy                         // somebody else looks at it just now
)

// Snapshot writes to pcs where c's goroutine is. The caller makes sure that c is in use
// meanwhile, so that its goroutine is its own, and does not run on it. It says whether c is
// suspended, which may be on the goroutine of an iter.Pull of its own, or runs: then it is
// the one that it began with that is looked at.
//
// Contexts of runtime.SetCgoTraceback are for C functions, which cannot be called while the
// bit is taken; a goroutine with such is SnapshotNothing.
//
//go:norace
func (c *Coro) Snapshot(pcs []uintptr, running bool) (p Snapshot) {
	g := c.g
	if running {
		g = c.firstG
	}
	if g == 0 || g == getg() || unwinder() != nil {
		return p
	}
	status := at[uint32](g + gStatus)
	procPin()
	switch was := atomic.LoadUint32(status); was {
	case gRunning:
		p.State = SnapshotRunning
	case gRunnable, gSyscall, gWaiting:
		if !atomic.CompareAndSwapUint32(status, was, was|gScan) {
			p.State = SnapshotBusy
			break
		}
		if *at[int](g + gCgoCtxt + 8) == 0 {
			p.N = gcallers(g, 0, pcs)
			switch p.State = SnapshotWaiting; was {
			case gRunnable:
				p.State = SnapshotReady
			case gSyscall:
				p.State = SnapshotInC
			}
			// A thread's own stack (room is 0) is not the coroutine's. Its record is a thread-local
			// variable of C's, so it may be unmapped by now: musl does that as the thread ends.
			if s := c.cs; s != nil && s.room != 0 && was == gWaiting {
				p.Stack, p.Used = s.room, int(s.hi-*at[uintptr](s.native))
			}
		}
		atomic.StoreUint32(status, was)
	default:
		p.State = SnapshotBusy
	}
	procUnpin()
	return p
}
