//go:build amd64 || arm64

package gort

import (
	"runtime/trace"
	"unsafe"
)

// A nativeCoro is the beginning of the C core's struct glet_coro (csrc/coro.c, which
// checks that these fields are where they are expected).
type nativeCoro struct {
	sp    uintptr // where it goes on; while suspended
	word  uintptr // its g, or its M's g0; while suspended. 0: it has never run
	owner uintptr // *coroThread
}

// A coroThread is the beginning of struct glet_thread, likewise.
type coroThread struct {
	current    uintptr // the coroutine that runs
	exceptions uintptr // C++'s record of the exceptions in it; 0: there is no C++
	handling   uintptr // the number of other coroutines that have exceptions
}

// What the assembly works with. It is set once, before the first switch.
//
//lint:file-ignore U1000 staticcheck does not read assembly
var (
	layout Layout
	mode   Mode
	slot   uintptr // of g, from the thread pointer; for CPUs without a name for it
	direct bool
)

const (
	gSyscall     = 3      // runtime2.go
	gScanSyscall = 0x1003 // and _Gscan
)

// Direct lets Switch do without C.
func Direct(l Layout, m Mode, gslot uintptr) { layout, mode, slot, direct = l, m, gslot, true }

// Switch suspends the coroutine from, which is the running one, and goes on with
// to, which must belong to the same thread; both are *nativeCoro. It returns when
// somebody has switched back. Where it cannot do it, and during an execution
// trace, whose events tell another story, it calls SwitchInC.
//
// It does what glet_go_switch (csrc/go.c) does, but stays on the goroutine's own
// stack, where that goes through cgocall to the thread's stack first. To the
// runtime it is a system call: entersyscall and exitsyscall, which it publishes
// with push linknames. While a goroutine is in one, its stack is neither moved nor
// shrunk (isShrinkStackSafe, stack.go), since syscallsp points into it.
//
//go:nosplit
func Switch(from, to unsafe.Pointer) {
	if direct && !trace.IsEnabled() {
		entersyscall()
		ok := jump(from, to)
		exitsyscall()
		if ok {
			return
		}
	}
	SwitchInC(to)
}

//go:noescape
func jump(from, to unsafe.Pointer) bool

//go:linkname entersyscall runtime.entersyscall
func entersyscall()

//go:linkname exitsyscall runtime.exitsyscall
func exitsyscall()
