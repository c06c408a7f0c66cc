//go:build cgo && linux && (amd64 || arm64)

package gort

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"strconv"
	"strings"
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
	newcoro    func(func(*coro)) *coro
	coroswitch func(*coro)
	crossFn    func(t *Thread, to *Coro) (int, *Thread)
	swFn       func(t *Thread, to uintptr) bool
	swCutFn    func(t *Thread, to uintptr) bool
	exchangeFn func(g0 uintptr, from, to *CStack)
	settleFn   func(ncgo int32)
	swapFn     func(g0 uintptr, from, to *CStack)
	bottomFn   func() uintptr
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
	comeBackPC uintptr
	coroAt     uintptr // a coroutine's runtime.coro is that far below its stack's upper end
	startPC    uintptr // of the function that Thread.New gives newcoro
	waitReason uint8   // waitReasonCoroutine
	stackGuard uintptr // between a stack's lower end and its guard
)

func pcs() (cross, sw, swCut, exchange, self, leave uintptr)
func freePCs() (settle, swap, comeBack, bottom uintptr)
func peek(gp uintptr) (c uintptr, ok bool)
func coroswitchCut(c *coro)
func renew(gp uintptr, c unsafe.Pointer) bool
func controlWords() uint64
func setControlWords(w uint64)

// getgFn is getg by the internal ABI.
var getgFn func() uintptr

// returnPC is where the functions of Return begin.
var returnPC uintptr

func init() {
	a, b, c, d, e, f := pcs()
	crossFn = funcAt[func(*Thread, *Coro) (int, *Thread)](a)
	swFn = funcAt[func(*Thread, uintptr) bool](b)
	swCutFn = funcAt[func(*Thread, uintptr) bool](c)
	exchangeFn = funcAt[func(uintptr, *CStack, *CStack)](d)
	getgFn = funcAt[func() uintptr](e)
	returnPC = f
	a, b, comeBackPC, d = freePCs()
	settleFn = funcAt[func(int32)](a)
	swapFn = funcAt[func(uintptr, *CStack, *CStack)](b)
	bottomFn = funcAt[func() uintptr](d)
}

// swCut is called by its address only.
func swCut()

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
	if err := findBottom(); err != nil {
		return err
	}
	g0 := *at[uintptr](*at[uintptr](getg() + gM) + mG0)
	stackGuard = *at[uintptr](g0 + gGuard0) - *at[uintptr](g0)
	if stackGuard < 256 || stackGuard > 16<<10 {
		return fmt.Errorf("the guard of a g0's stack is at %d", stackGuard)
	}
	return nil
}

// findBottom finds where a coroutine's goroutine keeps its runtime.coro: in the frame of
// corostart, which is its outermost one, so always at the same distance from the end of
// the stack. And it finds how Thread.New's function looks in that.
//
//go:norace
func findBottom() error {
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

// neutral are the experiments (GOEXPERIMENT) whose builds have the same runtime.g and
// runtime.m as those without, field by field, in all versions that know them.
var neutral = []string{
	"aliastypeparams", "arenas", "boringcrypto", "cgocheck2", "dwarf5", "greenteagc", "jsonv2", "loopvar",
	"randomizedheapbase64", "runtimefreegc", "simd", "sizespecializedmalloc", "swissmap", "synctest", "synchashtriemap",
}

// goMinor takes "go1.26.8" to 26. Versions under development, and ones with other
// experiments than the neutral ones ("X:..."), may have other structs, and are not known.
func goMinor(version string) (minor int, ok bool) {
	rest, ok := strings.CutPrefix(version, "go1.")
	rest, experiments, has := strings.Cut(rest, "X:")
	if has {
		rest = rest[:max(0, len(rest)-1)] // a space; from Go 1.26 on a hyphen
		for _, x := range strings.Split(experiments, ",") {
			ok = ok && (slices.Contains(neutral, x) || slices.Contains(neutral, strings.TrimPrefix(x, "no")))
		}
	}
	if !ok || strings.ContainsAny(rest, " -+") {
		return 0, false
	}
	digits, _, _ := strings.Cut(rest, ".")
	for i, r := range digits { // go1.27rc1
		if r < '0' || r > '9' {
			digits = digits[:i]
			break
		}
	}
	minor, err := strconv.Atoi(digits)
	return minor, err == nil
}

// OneM says whether the engine of one M can be used, after checking what it relies on
// against live structures, and why (not), for people. gslot is g's distance from the
// thread pointer. The calling goroutine must be locked to its thread.
func OneM(gslot uintptr) (ok bool, why string) {
	if minor, known := goMinor(runtime.Version()); !known || minor != knownMinor {
		return false, fmt.Sprintf("%s is not known", runtime.Version())
	}
	slot = gslot
	if err := checkOffsets(); err != nil {
		return false, fmt.Sprintf("the layout known for %s does not hold: %v", runtime.Version(), err)
	}
	if err := find(); err != nil {
		return false, err.Error()
	}
	return true, fmt.Sprintf("layout of go1.%d on %s, checked", knownMinor, runtime.GOARCH)
}

// goid is the calling goroutine's number, as dumps have it.
func goid() uint64 {
	var text [64]byte
	_, rest, _ := bytes.Cut(text[:runtime.Stack(text[:], false)], []byte(" "))
	digits, _, _ := bytes.Cut(rest, []byte(" "))
	n, _ := strconv.ParseUint(string(digits), 10, 64)
	return n
}

// checkOffsets compares the offsets with the calling goroutine, which is locked, and with
// one that is suspended. What it reads may be anywhere, so a reader does it that fails in
// place of a fault.
func checkOffsets() error {
	r, err := newReader()
	if err != nil {
		return err
	}
	defer r.close()
	var inside uintptr
	next, stop := iter.Pull(func(yield func(int) bool) {
		inside = getg()
		yield(1)
	})
	defer stop()
	next()

	g := getg()
	m := r.word(g + gM)
	g0 := r.word(m + mG0)
	locks := r.word(m + mLocks)
	runtime.LockOSThread()
	more := r.word(m + mLocks)
	runtime.UnlockOSThread()
	between := func(x, lo, hi uintptr) uint64 {
		if x >= lo && x < hi {
			return 1
		}
		return 0
	}
	for _, c := range []struct {
		what      string
		got, want uint64
	}{
		{"g.m.curg", uint64(r.word(m + mCurg)), uint64(g)},
		{"g.m.g0.m", uint64(r.word(g0 + gM)), uint64(m)},
		{"g.goid", uint64(r.word(g + gGoid)), goid()},
		{"g.atomicstatus", uint64(r.half(g + gStatus)), gRunning},
		{"g.stack around SP", aroundSP(g), 1},
		{"g0.stack around g0.sched.sp", between(r.word(g0+gSchedSP), r.word(g0), r.word(g0+8)), 1},
		{"g0.stackguard1 - stackguard0", uint64(r.word(g0+gGuard0+8) - r.word(g0+gGuard0)), 0},
		{"g.lockedm", uint64(r.word(g + gLockedM)), uint64(m)},
		{"g.m.lockedg", uint64(r.word(m + mLockedG)), uint64(g)},
		{"g.m.lockedExt's change by LockOSThread", uint64(more - locks), 1},
		{"g.goroutineProfiled over 1", uint64(r.half(g+gProfiled)) >> 2, 0},
		{"g.m.ncgo over 100", uint64(r.half(m+mNcgo)) / 100, 0},
		{"g.m.incgo", uint64(r.half(m+mIncgo)) & 0xff, 0},
		{"g.m.isextra over 1", uint64(r.half(m+mIsExtra)) & 0xff >> 1, 0},
		{"g.m.g0StackAccurate over 1", uint64(r.half(m+mAccurate)) & 0xff >> 1, 0},
		{"g.paniconfault over 1", uint64(r.half(g+gPanicOnFault)) & 0xff >> 1, 0},
		{"g.throwsplit over 1", uint64(r.half(g+gThrowSplit)) & 0xff >> 1, 0},
		{"g.coroarg", uint64(r.word(g + gCoroarg)), 0},
		{"a suspended one's g.m", uint64(r.word(inside + gM)), 0},
		{"a suspended one's atomicstatus", uint64(r.half(inside+gStatus)) &^ 0x1000, gWaiting},
		{"a suspended one's lockedm", uint64(r.word(inside + gLockedM)), 0},
		{"a suspended one's stack around sched.sp", between(r.word(inside+gSchedSP), r.word(inside), r.word(inside+8)), 1},
		{"a suspended one's stack around sched.bp", between(r.word(inside+gSchedBP), r.word(inside), r.word(inside+8)), 1},
		{"a suspended one's stack around stktopsp", between(r.word(inside+gStktopSP), r.word(inside), r.word(inside+8)), 1},
		{"a suspended one's sched.ctxt", uint64(r.word(inside + gSchedCtxt)), 0},
		{"a suspended one's syscallsp", uint64(r.word(inside + gSyscallSP)), 0},
		{"a suspended one's cgoCtxt's length", uint64(r.word(inside + gCgoCtxt + 8)), 0},
		{"a suspended one's coroarg", uint64(r.word(inside + gCoroarg)), 0},
	} {
		if r.err != nil {
			return fmt.Errorf("%s: %w", c.what, r.err)
		}
		if c.got != c.want {
			return fmt.Errorf("%s is %#x and not %#x", c.what, c.got, c.want)
		}
	}
	return nil
}

// aroundSP is 1 if the first two words of g are the bounds of the stack that it runs on.
// It has the address of a variable for SP, and any call that is not inlined may move that.
//
//go:nosplit
func aroundSP(g uintptr) uint64 {
	var here byte
	if sp := uintptr(unsafe.Pointer(&here)); sp >= *at[uintptr](g) && sp < *at[uintptr](g + 8) {
		return 1
	}
	return 0
}
