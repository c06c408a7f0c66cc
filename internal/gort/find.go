//go:build (linux && (amd64 || arm64 || riscv64)) || (windows && amd64 && !cgo)

package gort

import (
	"errors"
	"fmt"
	"iter"
	"runtime"
	"unsafe"
)

//lint:file-ignore U1000 staticcheck does not read assembly

// coro is runtime.coro (coro.go): the same since Go 1.23.
type coro struct {
	gp    uintptr // who goes on when somebody switches
	f     func(*coro)
	mp    uintptr // where, and with which lock counts, it was made
	locks uint64  // lockedExt, lockedInt
}

// The runtime's own functions and those of our assembly, as func values that are made by
// hand: a call through one is by the internal ABI, on every CPU.
var (
	newcoro          func(func(*coro)) *coro
	coroswitch       func(*coro)
	fastSwitchFn     func(t *Thread, to *Coro) (int, *Thread)
	slowSwitchFn     func(t *Thread, to uintptr) bool
	slowSwitchInCFn  func(t *Thread, to uintptr) bool
	swapStackFn      func(g0 uintptr, from, to *CStack)
	restoreMFn       func(ncgo int32)
	swapWholeStackFn func(g0 uintptr, from, to *CStack)
	ownCoroFn        func() uintptr
)

// slot is g's distance from the thread pointer, for CPUs without a name for it.
var slot uintptr

// What is the same in all goroutines that newcoro has made and that have not run.
var (
	freshPC, freshCtxt, freshLR uintptr
	freshDepth                  uintptr // of sched.sp below stktopsp
	goexitPC                    uintptr // where it returns to
)

var (
	restoreOwnStackPC uintptr
	coroAt            uintptr // a coroutine's runtime.coro is that far below its stack's upper end
	startPC           uintptr // of the function that Thread.New gives newcoro
	waitReason        uint8   // waitReasonCoroutine
	stackGuard        uintptr // between a stack's lower end and its guard
)

func pcs() (fastSwitch, slowSwitch, slowSwitchInC, swapStack, currentG, returnFromCaller uintptr)
func freePCs() (restoreM, swapWholeStack, restoreOwnStack, ownCoro uintptr)
func coroOf(gp uintptr) (c uintptr, ok bool)
func coroswitchInC(c *coro)
func resetG(gp uintptr, c unsafe.Pointer) bool
func controlWords() uint64
func setControlWords(w uint64)

// getgFn is getg by the internal ABI.
var getgFn func() uintptr

// returnPC is where the functions of Return begin.
var returnPC uintptr

func init() {
	a, b, c, d, e, f := pcs()
	fastSwitchFn = funcAt[func(*Thread, *Coro) (int, *Thread)](a)
	slowSwitchFn = funcAt[func(*Thread, uintptr) bool](b)
	slowSwitchInCFn = funcAt[func(*Thread, uintptr) bool](c)
	swapStackFn = funcAt[func(uintptr, *CStack, *CStack)](d)
	getgFn = funcAt[func() uintptr](e)
	returnPC = f
	a, b, restoreOwnStackPC, d = freePCs()
	restoreMFn = funcAt[func(int32)](a)
	swapWholeStackFn = funcAt[func(uintptr, *CStack, *CStack)](b)
	ownCoroFn = funcAt[func() uintptr](d)
}

// slowSwitchInC is called by its address only.
func slowSwitchInC()

// find finds the runtime's functions, without linkname, which the linker does not allow
// for them. A goroutine that is suspended in iter.Pull has its saved pc in
// runtime.coroswitch, and runtime.newcoro lies before that. It needs the offsets, so
// check comes first.
func find() error {
	var g uintptr
	next, stop := iter.Pull(func(yield func(int) bool) {
		g = getg()
		yield(1)
	})
	defer stop()
	next()
	f := runtime.FuncForPC(*at[uintptr](g + gSchedPC))
	if f == nil || f.Name() != "runtime.coroswitch" {
		return errors.New("a suspended coroutine's saved pc is not in runtime.coroswitch")
	}
	coroswitch = funcAt[func(*coro)](f.Entry())
	waitReason = *at[uint8](g + gWaitReason)
	for pc := f.Entry(); newcoro == nil; {
		before := runtime.FuncForPC(pc - 1)
		if before == nil || f.Entry()-before.Entry() > 16<<10 {
			return errors.New("runtime.newcoro is not before runtime.coroswitch")
		}
		pc = before.Entry()
		// Of an inlined call, FuncForPC tells the name of the one and the entry of the other.
		if runtime.FuncForPC(pc).Name() == "runtime.newcoro" {
			newcoro = funcAt[func(func(*coro)) *coro](pc)
		}
	}
	fresh := newcoro(func(*coro) {})
	defer func() {
		m := *at[uintptr](getg() + gM)
		fresh.mp, fresh.locks = m, *at[uint64](m + mLocks)
		coroswitch(fresh) // it ends
	}()
	g = fresh.gp
	freshPC, freshCtxt, freshLR = *at[uintptr](g + gSchedPC), *at[uintptr](g + gSchedCtxt), *at[uintptr](g + gSchedLR)
	freshDepth = *at[uintptr](g + gStktopSP) - *at[uintptr](g + gSchedSP)
	goexitPC = freshLR
	if freshDepth != 0 { // as gostartcall pushes it where there is no link register
		goexitPC = *at[uintptr](*at[uintptr](g + gSchedSP))
	}
	if f := runtime.FuncForPC(freshPC); f == nil || f.Name() != "runtime.corostart" || freshDepth > 64 {
		return fmt.Errorf("a new coroutine's goroutine is not as it should be (depth %d)", freshDepth)
	}
	if r := *at[uint8](g + gWaitReason); r != waitReason {
		return fmt.Errorf("the wait reasons of coroutines are %d and %d", waitReason, r)
	}
	if pc := *at[uintptr](g + gStartPC); pc != freshPC {
		return fmt.Errorf("a new coroutine's goroutine began at %#x and not %#x", pc, freshPC)
	}
	if err := findOwnCoro(); err != nil {
		return err
	}
	g0 := *at[uintptr](*at[uintptr](getg() + gM) + mG0)
	stackGuard = *at[uintptr](g0 + gGuard0) - *at[uintptr](g0)
	if stackGuard < 256 || stackGuard > 16<<10 {
		return fmt.Errorf("the guard of a g0's stack is at %d", stackGuard)
	}
	return nil
}

// findOwnCoro finds where a coroutine's goroutine keeps its runtime.coro: in the frame of
// corostart, which is its outermost one, so always at the same distance from the end of
// the stack. And it finds how Thread.New's function looks in that.
//
//go:norace
func findOwnCoro() error {
	m := *at[uintptr](getg() + gM)
	c := newcoro(lookAround)
	c.mp, c.locks = m, *at[uint64](m + mLocks)
	coroswitch(c)
	if coroAt == 0 {
		return errors.New("a coroutine's goroutine does not keep its coro in its first frames")
	}
	probe := &Coro{}
	f := starter(probe)
	words := **(**[2]uintptr)(unsafe.Pointer(&f))
	if words[1] != uintptr(unsafe.Pointer(probe)) {
		return errors.New("a function does not keep what it has captured after its address")
	}
	startPC = words[0]
	return nil
}

//go:norace
func lookAround(c *coro) {
	hi := *at[uintptr](getg() + 8)
	for k := uintptr(8); k < 256 && coroAt == 0; k += 8 {
		if *at[uintptr](hi - k) == uintptr(unsafe.Pointer(c)) {
			coroAt = k
		}
	}
}
