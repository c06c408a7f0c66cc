package gort

import (
	"runtime"
	"slices"
	"unsafe"
)

// Ends of coroutines: of one that runs (Exit), and of one that is suspended (Discard).

// Exit prepares the end of from's goroutine, which runs: when it has returned, or its
// Goexit has run all that was deferred, to goes on. Nothing of the thread may be used in
// between.
//
//go:norace
func (t *Thread) Exit(from, to *Coro) {
	if t.free {
		t.exitFree(from, to)
		return
	}
	t.exchangeState(from, to)
	if from.cs != nil {
		t.releaseStack(from.cs)
		from.cs = nil
	}
	m := *at[uintptr](getg() + gM)
	t.gp = to.g
	from.c.gp, from.c.mp, from.c.locks = to.g, m, *at[uint64](m + mLocks)
	from.g, from.plain = 0, false
	t.raceRelease()
}

// Discard ends a suspended coroutine whatever is on its stacks. Nothing of that runs. Any
// goroutine may do it that is the only one to use the thread's record.
//
//go:norace
func (t *Thread) Discard(c *Coro) {
	if c.g == 0 {
		return
	}
	c.abandoned = true
	if c.cs != nil && !t.isOwn(c.cs) {
		if g := t.stacks.Leave(c.cs.native, &c.cs.lo); g != 0 {
			c.g = g // that which waits in the call of C in which the fiber was
		}
	}
	t.raceRelease()
	if c.g != c.firstG { // an iter.Pull's, for which firstG waits
		end(c.g, &coro{f: func(*coro) {}})
	}
	end(c.firstG, c.c)
	t.raceAcquire()
	if t.free {
		t.discardFree(c)
	} else if c.cs != nil {
		t.releaseStack(c.cs)
	}
	c.g, c.cs = 0, nil
}

// ReleaseContext gives back a traceback context of a call from C that will not return (see
// runtime.SetCgoTraceback); the calls' stubs do it in runtime/cgo. It is set by package
// greenlet.
var ReleaseContext func(context uintptr)

// end ends a goroutine that newcoro has made for c, and that waits, whatever is on its
// stacks: it is made as it was when it was new, and runs once more to end officially.
//
//go:norace
func end(g uintptr, c *coro) {
	contexts := slices.Clone(*at[[]uintptr](g + gCgoCtxt))
	for !resetG(g, unsafe.Pointer(c)) {
		runtime.Gosched()
	}
	for len(contexts) > 0 { // in the order in which the calls would have returned
		last := len(contexts) - 1
		ReleaseContext(contexts[last])
		contexts = contexts[:last]
	}
	m := *at[uintptr](getg() + gM)
	ncgo := *at[int32](m + mNcgo)
	locks := uint64(0)
	locked := uintptr(0)
	if *at[uintptr](getg() + gLockedM) != 0 {
		locked, locks = m, *at[uint64](m + mLocks)
	}
	c.gp, c.mp, c.locks = getg(), locked, locks
	coroswitchInC(&coro{gp: g, mp: locked, locks: locks}) // the caller may have C frames
	if locked != 0 {
		*at[int32](m + mNcgo) = ncgo
	}
	runtime.KeepAlive(c)
}
