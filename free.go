package greenlet

import (
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/go-greenlet/greenlet/internal/gort"
)

// A tree is bound to a thread or free. A bound tree is found by a thread-local word, and its
// root's goroutine is locked to the thread. A free tree belongs to its root's goroutine, on
// whichever thread that runs (internal/gort/free.go), and is found by it. It has a record of
// type thread of its own, for its workers and for the engine.
//
// Other goroutines do two things to a free tree: they move a suspended greenlet to their own
// tree (adopt), and they end the greenlets that its goroutine leaves behind (orphans.go). A
// greenlet that they want to touch they claim first (tree.claim), and of the tree itself they
// touch what is guarded by tree.mu.

// cStacks makes C stacks for the engine of one M. It is set before the first root is made. nil:
// this build has no C.
var cStacks *gort.Stacks

// newFreeTree makes the calling goroutine, which is not locked to its thread, the root of a
// free tree, which is private if that is asked for and nobody observes its switches.
func newFreeTree(implicit, private bool) *tree {
	made, record := &treeAndRoot{}, freeRecords.Get().(*freeRecord)
	t, c, th := &made.t, &made.c, &record.th
	c.id = lastID.Add(1)
	c.name.Store(&rootName)
	c.life.Store(lifeStarted)
	record.carrier.InitFree(cStacks, unsafe.Pointer(t))
	th.carrier, th.tree = &record.carrier, t
	th.root = th.carrier.EnterFree()
	c.coro = th.root
	c.tree.Store(t)
	made.g.c, c.strongRef = c, &made.g
	t.th, t.carrier, t.record = th, th.carrier, record
	t.free.Store(true)
	t.root, t.current = &made.g, &made.g
	t.epoch = epoch.Load()
	c.coro.SetOwner(unsafe.Pointer(t))
	c.next, c.prev = c, c
	t.implicit = implicit
	if private { // before the tree is in the list of all, which may make it known at once
		t.known.Store(treePrivate)
	}
	g, goid := gort.CurrentG()
	t.rootG = g
	t.rootGoid.Store(goid)
	roots.add(t)
	t.register()
	t.lookForObservers()
	return t
}

// lookForObservers is updateObservers for a tree in which nothing lives. If somebody observes it, it is known.
func (t *tree) lookForObservers() {
	if t.updateObservers(); t.slow != 0 {
		t.makeKnown()
	}
}

// A freeRecord is the thread record of a free tree and the engine's. It is large, so records are
// used again.
type freeRecord struct {
	th      thread
	carrier gort.Thread
}

// A treeAndRoot is a tree, its root's core and its root, in one piece of memory.
type treeAndRoot struct {
	t tree
	c core
	g Greenlet
}

var freeRecords = sync.Pool{New: func() any { return &freeRecord{} }}

// bindToThread makes a free tree a bound one, for a greenlet that is to have a C stack of a
// given size, or to carry a variable of the thread. It does nothing, and returns nil, unless
// the root runs and no greenlet lives: a started greenlet has no place on the thread. Nor does it if
// the root's C frames may be on the stack that has stood in for the thread's own one, which has to be in
// place then (Thread.Enter), nor in an iter.Pull that the root runs, whose lock counts Go compares with
// those under which it was made. The caller looks at free afterwards.
func (t *tree) bindToThread() error {
	if t.current != t.root || t.liveCount() != 0 || t.carrier.TiedInC() || gort.Getg() != t.rootG {
		return nil
	}
	t.th.pool.trim(0, t.th.root)
	lockThread()
	th, err := threadHere() // before endingMu is locked, which endThreads locks, too
	if err != nil {
		unlockThread()
		return err
	}
	endingMu.Lock() // moveOut holds it while it moves a greenlet to this tree, which has to be a free one then
	defer endingMu.Unlock()
	if t.liveCount() != 0 { // moveOut has moved one here since the first look
		unlockThread()
		return nil
	}
	roots.remove(t)
	th.raceAcquire()
	th.root = engine.enterRoot(th)
	t.mu.Lock()
	t.root.c.coro = th.root
	t.mu.Unlock()
	t.th, t.carrier = th, th.carrier
	t.carry()
	t.tid.Store(int32(th.tid))
	t.free.Store(false)
	t.carrier.Owner = unsafe.Pointer(t)
	th.root.SetOwner(unsafe.Pointer(t))
	th.tree = t
	storeSlot(slotTree, unsafe.Pointer(t))
	return nil
}

// releaseGoroutine is the part of close for a free tree, after finish. An idle one any goroutine may end.
func (t *tree) releaseGoroutine() {
	t.th.pool.freeOrphans()
	t.carrier.Untie()
	engine.leaveRoot(t.th)
	roots.remove(t)
	t.raceRelease()
	// A goroutine whose greenlet was moved away, and has not run since, compares this record with
	// the greenlet's new one when it goes on; so the record must not become another tree's.
	reusable := !t.movedSomeOut // finish has locked mu after the last greenlet was gone
	if record := t.record; reusable && len(t.th.pool.idle) == 0 && len(t.th.pool.orphans) == 0 {
		freeRecords.Put(record)
	}
}

// treeOfGoroutine returns the free tree that the calling goroutine runs in, or nil: as a root,
// as a greenlet, in an iter.Pull that one of them has resumed, or as a fiber.
func treeOfGoroutine() *tree {
	g, goid := gort.CurrentG()
	if t := roots.find(g, goid); t != nil {
		return t
	}
	c, g, goid := gort.CurrentCoro()
	switch {
	case c != nil:
		return (*tree)(c.Home().Owner)
	case g != 0:
		return roots.find(g, goid)
	}
	return nil
}

// rootGone says whether the tree is free and its root's goroutine has ended. Any goroutine may
// call it.
func (t *tree) rootGone() bool {
	return t.free.Load() && gort.GoroutineEnded(t.rootG, t.rootGoid.Load())
}

// roots holds all free trees.
var roots rootSet

// A rootSet finds a tree by the goroutine of its root. Most trees are in a table without locks,
// in the place that a hash of the root's g names; a tree whose place another one has is in
// more, by the number of the goroutine. An idle tree is in the table, and gives its place up.
type rootSet struct {
	n     atomic.Int64 // how many trees there are; currentTree reads it first
	table [1 << rootBits]atomic.Pointer[tree]

	nmore atomic.Int64     // len(more), to be read without mu
	mu    sync.Mutex       // guards more
	more  map[uint64]*tree // nil: it was never needed
}

const rootBits = 12

// place returns the place in the table for a root whose goroutine is g. add writes it by a
// compare-and-swap from nil, remove by one to nil; both may run on any goroutine.
func (r *rootSet) place(g uintptr) *atomic.Pointer[tree] {
	const golden = 0x9E3779B97F4A7C15
	return &r.table[uint64(g)*golden>>(64-rootBits)]
}

// add puts t in. If the first compare-and-swap fails, another tree has the place, and t goes to more.
// But if that one is the tree of an earlier goroutine with the same g, which has left it and which a
// collection will end, then it goes there, and t gets the place, so that it may become idle. The
// second one fails if that tree has just been removed. A number names one tree in more: one whose
// goroutine has another one there, since it was about to be ended when that was made, stays. An idle tree gives up its
// place, but to a caller in a bubble, see endIdle.
func (r *rootSet) add(t *tree) {
	r.n.Add(1)
	place := r.place(t.rootG)
	if old := place.Load(); old != nil && !gort.InBubble() {
		old.endIdle()
	}
	if place.CompareAndSwap(nil, t) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.more == nil {
		r.more = map[uint64]*tree{}
	}
	if old := place.Load(); old != nil && old.rootG == t.rootG && old.rootGoid.Load() != t.rootGoid.Load() &&
		r.more[old.rootGoid.Load()] == nil && place.CompareAndSwap(old, t) {
		t = old
	}
	r.more[t.rootGoid.Load()] = t
	r.nmore.Add(1)
}

// remove takes t out. If its compare-and-swap fails, t is in more; or it is not in the set,
// because releaseGoroutine, bindToThread or endOrphan has removed it before. Any goroutine may
// call it.
func (r *rootSet) remove(t *tree) {
	if !r.place(t.rootG).CompareAndSwap(t, nil) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.more[t.rootGoid.Load()] != t {
			return
		}
		delete(r.more, t.rootGoid.Load())
		r.nmore.Add(-1)
	}
	r.n.Add(-1)
}

// find returns the tree whose root runs on the goroutine with that g and number; nil: there is
// none but an idle one, or one that endIdle ends. A g is used again when its goroutine has ended,
// so the number is compared, too.
func (r *rootSet) find(g uintptr, goid uint64) *tree {
	if t := r.place(g).Load(); t != nil && t.rootG == g && t.known.Load() <= treePrivate && t.rootGoid.Load() == goid {
		return t
	}
	if r.nmore.Load() == 0 {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.more[goid]
}

// liveCount returns the number of started greenlets that live. The tree's own goroutine calls
// it, or one that has taken the tree over. Another goroutine may be moving a greenlet out at
// this moment, so the number may be smaller at once; the race detector needs the lock for that.
func (t *tree) liveCount() int {
	if raceEnabled && t.record != nil {
		t.mu.Lock()
		defer t.mu.Unlock()
	}
	return t.nlive
}

// pin makes sure that c, which is suspended in this tree, is not moved to another tree before
// the caller has switched to it. It returns false if c was moved before.
func (t *tree) pin(c *core) bool {
	if !t.free.Load() || c == t.current.c || c == t.root.c {
		return true
	}
	var coro coro
	if raceEnabled { // c may have been moved and be ending now, which writes coro: Hold fails then
		in := c.lockTree()
		coro = c.coro
		in.mu.Unlock()
	} else {
		coro = c.coro
	}
	return coro != nil && coro.Hold(t.carrier)
}

// unpin takes pin back, where no switch to c follows.
func (t *tree) unpin(c *core) {
	if t.free.Load() && c != t.current.c && c != t.root.c {
		c.coro.Unclaim(t.carrier)
	}
}
