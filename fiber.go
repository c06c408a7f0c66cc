//go:build cgo && linux

package greenlet

/*
#define GLET_GO_CALL // not weak, since Go defines these functions; see go_calls.h
#include "fiber_onem.h"
#include "go_calls.h"

static void fiber_use(glet_onem_layout l) { glet_onem_use(&l); }
static uintptr_t fiber_leave(uintptr_t c, uintptr_t *bounds) { return glet_onem_leave_fiber((glet_coro *)c, bounds); }
*/
import "C"

import (
	"sync"
	"unsafe"

	"github.com/go-greenlet/greenlet/internal/gort"
)

// This file is Go's side of fibers (csrc/fiber.h) on the engine of one M.

// useFibers gives the C core what it has to know of the runtime to make fibers on the engine of one
// M. It is called before a thread's first fiber is made. l has the offsets and addresses of
// package gort, which says what each is.
var useFibers = sync.OnceValue(func() error {
	l, err := gort.Fibers()
	if err != nil {
		return err
	}
	C.fiber_use(C.glet_onem_layout{
		g_guard0: C.uint32_t(l.GGuard0), g_panic: C.uint32_t(l.GPanic), g_defer: C.uint32_t(l.GDefer), g_m: C.uint32_t(l.GM),
		g_sched_sp: C.uint32_t(l.GSchedSP), g_sched_pc: C.uint32_t(l.GSchedPC), g_sched_ctxt: C.uint32_t(l.GSchedCtxt),
		g_sched_lr: C.uint32_t(l.GSchedLR), g_sched_bp: C.uint32_t(l.GSchedBP),
		g_syscall_sp: C.uint32_t(l.GSyscallSP), g_syscall_pc: C.uint32_t(l.GSyscallPC), g_syscall_bp: C.uint32_t(l.GSyscallBP),
		g_stktopsp: C.uint32_t(l.GStktopSP), g_status: C.uint32_t(l.GStatus), g_wait_reason: C.uint32_t(l.GWaitReason),
		g_throw_split: C.uint32_t(l.GThrowSplit), g_locked_m: C.uint32_t(l.GLockedM),
		m_g0: C.uint32_t(l.MG0), m_curg: C.uint32_t(l.MCurg), m_incgo: C.uint32_t(l.MIncgo), m_accurate: C.uint32_t(l.MAccurate),
		m_ncgo: C.uint32_t(l.MNcgo), m_locked_g: C.uint32_t(l.MLockedG), m_locks: C.uint32_t(l.MLocks),
		m_trace_buf: [2]C.uint32_t{C.uint32_t(l.MTraceBuf0), C.uint32_t(l.MTraceBuf1)},
		thread_gp:   C.uint32_t(l.ThreadGP), thread_in_place: C.uint32_t(l.ThreadInPlace), thread_own: C.uint32_t(l.ThreadOwn),
		wait_reason: C.uint32_t(l.WaitReason), stack_guard: C.uint32_t(l.StackGuard), fresh_depth: C.uint32_t(l.FreshDepth),
		fresh_pc: C.uintptr_t(l.FreshPC), goexit_pc: C.uintptr_t(l.GoexitPC),
		departure: C.uintptr_t(l.Departure), reentersyscall: C.uintptr_t(l.Reentersyscall),
		landing: C.uintptr_t(l.Landing), nothing: C.uintptr_t(l.Nothing),
	})
	gort.FiberHome = func() uintptr { return uintptr(C.glet_onem_home()) }
	return nil
})

// greenletFiberNew makes the goroutine of a fiber; 0: it cannot be made.
//
//export greenletFiberNew
func greenletFiberNew() C.uintptr_t { return C.uintptr_t(gort.NewFiber()) }

// greenletFiberEnd ends the goroutine of a fiber that is freed.
//
//export greenletFiberEnd
func greenletFiberEnd(g C.uintptr_t) { gort.EndFiber(uintptr(g)) }

// setFiberThread gives the C core the calling thread's record, which the thread's handle keeps
// alive; nil: the thread ends.
func setFiberThread(t *gort.Thread) { C.glet_onem_thread(C.uintptr_t(uintptr(unsafe.Pointer(t)))) }

// leaveFiber is the function Leave of gort.Stacks, which says what it does.
func leaveFiber(record uintptr, bounds *uintptr) uintptr {
	return uintptr(C.fiber_leave(C.uintptr_t(record), (*C.uintptr_t)(unsafe.Pointer(bounds))))
}
