package gort

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unsafe"
)

// What is not in a table can be found by experiment, since the values are known: a
// goroutine that is locked to its thread has its M in g.lockedm, and after three calls of
// LockOSThread there is a 3 in m.lockedExt.

// measured has what Measure has found; 0: not found.
var measured struct {
	lockedM, goid, status uintptr // in g
	locks                 uintptr // in m: lockedExt and after it lockedInt
	onlyM                 uintptr // where there are no threads: the M
}

const (
	gWords = 56  // of g are looked at: no version's g is smaller
	mBytes = 900 // of m, likewise
)

// Numbers of runtime2.go that have been the same in all supported versions.
const (
	gRunning = 2
	gWaiting = 4
	gDead    = 6
)

// Measure finds what the engines need that know no version's layout. What could not be
// found is an error for people; the rest is used all the same.
var Measure = sync.OnceValue(func() error {
	result := make(chan error)
	go func() { // a thread of its own, if that ends up locked
		result <- errors.Join(measureLocks(), measureGoroutine())
	}()
	return <-result
})

//go:norace
func wordsOf(p uintptr, n int) []uintptr {
	words := make([]uintptr, n)
	for i := range words {
		words[i] = *at[uintptr](p + uintptr(i)*unsafe.Sizeof(p))
	}
	return words
}

//go:norace
func halvesOf(p uintptr, n int) []uint32 {
	halves := make([]uint32, n)
	for i := range halves {
		halves[i] = *at[uint32](p + uintptr(i)*4)
	}
	return halves
}

// only returns the one offset in units of size at which all say yes.
func only(what string, n int, size uintptr, is func(i int) bool) (offset uintptr, err error) {
	found := 0
	for i := range n {
		if is(i) {
			offset = uintptr(i) * size
			found++
		}
	}
	if found != 1 {
		return 0, fmt.Errorf("%s is in %d places", what, found)
	}
	return offset, nil
}

func measureLocks() error {
	if runtime.GOARCH == "wasm" {
		return measureOnlyM()
	}
	const word = unsafe.Sizeof(uintptr(0))
	g := getg()
	// Each round: g while it is not locked, and g and its M with that many locks.
	rounds := []int{3, 5, 2, 7}
	var free, locked [][]uintptr
	var ms [][]uint32
	for _, n := range rounds {
		free = append(free, wordsOf(g, gWords))
		for range n {
			runtime.LockOSThread()
		}
		locked = append(locked, wordsOf(g, gWords))
		for range n {
			runtime.UnlockOSThread()
		}
	}
	lockedM, err := only("g.lockedm", gWords, word, func(i int) bool {
		for r := range rounds {
			m, also := locked[r][i], 0
			for _, w := range locked[r] {
				if w == m {
					also++ // g.m is the other one
				}
			}
			if free[r][i] != 0 || m < 4096 || also != 2 {
				return false
			}
		}
		return true
	})
	if err != nil {
		return err
	}
	for _, n := range rounds {
		for range n {
			runtime.LockOSThread()
		}
		ms = append(ms, halvesOf(*at[uintptr](g + lockedM), mBytes/4))
		for range n {
			runtime.UnlockOSThread()
		}
	}
	locks, err := only("m.lockedExt", mBytes/4-1, 4, func(i int) bool { return counts(ms, rounds, i) })
	if err != nil {
		return err
	}
	measured.lockedM, measured.locks = lockedM, locks
	return nil
}

// measureOnlyM is measureLocks where there are no threads, and LockOSThread counts and does
// nothing else: the M is found in a coroutine that was made while the count was not 0.
func measureOnlyM() error {
	if err := FindLines(); err != nil {
		return err
	}
	locked := func(n int, do func()) {
		for range n {
			runtime.LockOSThread()
		}
		do()
		for range n {
			runtime.UnlockOSThread()
		}
	}
	var coros [2][]uintptr
	ran := 0
	made := func(i int, inside func()) {
		c := lineNew(func(*lineCoro) { ran += i + 1 }) // a closure of its own
		coros[i] = wordsOf(uintptr(unsafe.Pointer(c)), 5)
		inside()
		lineSwitch(c)
	}
	locked(3, func() { made(0, func() { locked(2, func() { made(1, func() {}) }) }) })
	const word = unsafe.Sizeof(uintptr(0))
	mp, err := only("coro.mp", 5, word, func(i int) bool { return coros[0][i] > 4096 && coros[0][i] == coros[1][i] })
	if err != nil {
		return err
	}
	m := coros[0][mp/word]
	var seen [][]uint32
	rounds := []int{3, 5, 2, 7}
	for _, n := range rounds {
		locked(n, func() { seen = append(seen, halvesOf(m, mBytes/4)) })
	}
	locks, err := only("m.lockedExt", mBytes/4-1, 4, func(i int) bool { return counts(seen, rounds, i) })
	if err != nil {
		return err
	}
	measured.onlyM, measured.locks = m, locks
	return nil
}

// counts says whether the half at i of an M has counted what was locked in each round, and
// the one after it nothing.
func counts(ms [][]uint32, rounds []int, i int) bool {
	for r, n := range rounds {
		if ms[r][i] != uint32(n) || ms[r][i+1] != 0 { // lockedInt
			return false
		}
	}
	return true
}

// unlocked calls do while nothing counts as locked where there are no threads. A coroutine
// that is made so can be switched to whatever the count is then, which is everybody's.
func unlocked(do func()) {
	n := uint32(0)
	if measured.onlyM != 0 {
		n, _ = Locks(measured.onlyM)
	}
	for range n {
		runtime.UnlockOSThread()
	}
	do()
	for range n {
		runtime.LockOSThread()
	}
}

func measureGoroutine() error {
	const halves = gWords * int(unsafe.Sizeof(uintptr(0))) / 4
	type seen struct {
		id               uint64
		running, waiting []uint32
	}
	var all []seen
	for range 4 {
		var s seen
		var g uintptr
		here, leave := make(chan struct{}), make(chan struct{})
		go func() {
			g, s.id = getg(), slowGoroutineID()
			s.running = halvesOf(g, halves)
			here <- struct{}{}
			<-leave
		}()
		<-here
		for tries, waits := 0, false; !waits && tries < 10000; tries++ { // it comes to that by itself
			runtime.Gosched()
			s.waiting = halvesOf(g, halves)
			for i := range halves {
				waits = waits || s.running[i] == gRunning && s.waiting[i] == gWaiting
			}
		}
		close(leave)
		all = append(all, s)
	}
	every := func(is func(s seen, i int) bool) func(i int) bool {
		return func(i int) bool { return !slices.ContainsFunc(all, func(s seen) bool { return !is(s, i) }) }
	}
	goid, err := only("g.goid", halves-1, 4, every(func(s seen, i int) bool {
		id := [2]uint32{}
		*(*uint64)(unsafe.Pointer(&id)) = s.id
		return s.running[i] == id[0] && s.running[i+1] == id[1]
	}))
	if err != nil {
		return err
	}
	status, err := only("g.atomicstatus", halves, 4, every(func(s seen, i int) bool {
		return s.running[i] == gRunning && s.waiting[i] == gWaiting
	}))
	if err != nil {
		return err
	}
	measured.goid, measured.status = goid, status
	return nil
}

// LockedTo is the M, to be compared, that the calling goroutine is locked to; 0: none, or
// Measure has not found out how to tell.
//
// Only the goroutine itself changes the word, so this needs no care for one that moves.
//
//go:norace
func LockedTo() uintptr {
	if measured.lockedM == 0 {
		return 0
	}
	return *at[uintptr](getg() + measured.lockedM)
}

// Locks returns the two lock counts of the M that LockedTo has returned: calls of
// LockOSThread, and what the runtime has counted, calls from C above all.
//
//go:norace
func Locks(m uintptr) (external, internal uint32) {
	return *at[uint32](m + measured.locks), *at[uint32](m + measured.locks + 4)
}

// A Goroutine is the identity of one, also after its end.
type Goroutine struct {
	g  uintptr
	id uint64
}

// Self is the calling goroutine.
func Self() Goroutine { return Goroutine{getg(), GoroutineID()} }

// Ended says whether the goroutine's end has been seen. Where Measure has not found out
// how to tell, it never is.
//
//go:norace
func (g Goroutine) Ended() bool {
	const scanned = 0x1000 // _Gscan
	if measured.status == 0 {
		return false
	}
	return *at[uint32](g.g + measured.status)&^scanned == gDead || *at[uint64](g.g + measured.goid) != g.id
}

// GoroutineID is the calling goroutine's number, as dumps have it.
//
//go:norace
func GoroutineID() uint64 {
	if measured.goid == 0 {
		return slowGoroutineID()
	}
	return *at[uint64](getg() + measured.goid)
}

// slowGoroutineID knows nothing but the first line of a dump: "goroutine 7 [running]:".
func slowGoroutineID() uint64 {
	var text [64]byte
	rest, _ := strings.CutPrefix(string(text[:runtime.Stack(text[:], false)]), "goroutine ")
	number, _, _ := strings.Cut(rest, " ")
	id, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		panic("greenlet: internal error: a goroutine without a number: " + rest)
	}
	return id
}
