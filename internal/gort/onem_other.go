//go:build !(linux && (amd64 || arm64 || riscv64)) && !(windows && amd64 && !cgo)

package gort

import "unsafe"

type coro struct {
	gp    uintptr
	f     func(*coro)
	mp    uintptr
	locks uint64
}

// There is no assembly for this CPU or system, and OneM says so.
var (
	newcoro           func(func(*coro)) *coro
	coroswitch        func(*coro)
	fastSwitchFn      func(t *Thread, to *Coro) (int, *Thread)
	getgFn            = getg
	returnPC          uintptr
	slowSwitchFn      func(t *Thread, to uintptr) bool
	slowSwitchInCFn   func(t *Thread, to uintptr) bool
	swapStackFn       func(g0 uintptr, from, to *CStack)
	restoreMFn        func(ncgo int32)
	swapWholeStackFn  func(g0 uintptr, from, to *CStack)
	ownCoroFn         func() uintptr
	restoreOwnStackPC uintptr
	startPC           uintptr
	stackGuard        uintptr
)

func coroswitchInC(*coro)                 {}
func coroOf(uintptr) (uintptr, bool)      { return 0, false }
func resetG(uintptr, unsafe.Pointer) bool { return false }
func controlWords() uint64                { return 0 }
func setControlWords(uint64)              {}

// OneM says that the engine of one M cannot be used.
func OneM(uintptr) (ok bool, why string) {
	return false, "there is no assembly for this CPU and system"
}
