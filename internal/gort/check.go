//go:build (linux && (amd64 || arm64 || riscv64)) || (windows && amd64 && !cgo)

package gort

import (
	"bytes"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"unsafe"
)

// The check at start: is this a version whose layout is known, and do live structs look as
// the offsets say? find.go then finds the functions.

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
	framePointers := uint64(1)
	if runtime.GOARCH == "riscv64" { // where Go has none, and sched.bp stays 0
		framePointers = 0
	}
	between := func(x, lo, hi uintptr) uint64 {
		if x >= lo && x < hi {
			return 1
		}
		return 0
	}
	flag := func(offset uintptr) uint64 { // of a field that Go 1.24 and 1.25 do not have
		if offset == 0 {
			return 0
		}
		return uint64(r.half(g+offset)) & 0xff
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
		{"g.fipsOnlyBypass over 1", flag(gFipsBypass) >> 1, 0},
		{"g.ditWanted over 1", flag(gDitWanted) >> 1, 0},
		{"g.coroarg", uint64(r.word(g + gCoroarg)), 0},
		{"a suspended one's g.m", uint64(r.word(inside + gM)), 0},
		{"a suspended one's atomicstatus", uint64(r.half(inside+gStatus)) &^ 0x1000, gWaiting},
		{"a suspended one's lockedm", uint64(r.word(inside + gLockedM)), 0},
		{"a suspended one's stack around sched.sp", between(r.word(inside+gSchedSP), r.word(inside), r.word(inside+8)), 1},
		{"a suspended one's stack around sched.bp", between(r.word(inside+gSchedBP), r.word(inside), r.word(inside+8)), framePointers},
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
