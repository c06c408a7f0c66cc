//go:build !(cgo && linux && (amd64 || arm64))

package gort

import "unsafe"

type coro struct {
	gp    uintptr
	f     func(*coro)
	mp    uintptr
	locks uint64
}

// There is no assembly for this CPU, and OneM says so.
var (
	newcoro    func(func(*coro)) *coro
	coroswitch func(*coro)
	crossFn    func(t *Thread, to *Coro) (int, *Thread)
	getgFn     = getg
	returnPC   uintptr
	swFn       func(t *Thread, to uintptr) bool
	swCutFn    func(t *Thread, to uintptr) bool
	exchangeFn func(g0 uintptr, from, to *CStack)
	settleFn   func(ncgo int32)
	swapFn     func(g0 uintptr, from, to *CStack)
	bottomFn   func() uintptr
	comeBackPC uintptr
	startPC    uintptr
	stackGuard uintptr
)

func coroswitchCut(*coro)                {}
func peek(uintptr) (uintptr, bool)       { return 0, false }
func renew(uintptr, unsafe.Pointer) bool { return false }
func controlWords() uint64               { return 0 }
func setControlWords(uint64)             {}

// OneM says that the engine of one M cannot be used.
func OneM(uintptr) (ok bool, why string) { return false, "there is no assembly for this CPU" }
