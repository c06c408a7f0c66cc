package greenlet

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/go-greenlet/greenlet/internal/gort"
)

// A tree is bound to a thread or free. A thread's tree is found by a thread-local word, and
// its root's goroutine is locked to the thread. A free one belongs to its root's goroutine,
// wherever that runs (internal/gort/free.go), and is found by that. It has a record of type
// thread of its own, since it has workers and an engine's record.
//
// Other goroutines take part in a free tree in two ways: they take a greenlet away that is
// suspended (adopt), and they end what its goroutine leaves behind (orphans.go). What is
// theirs to touch is the list of those that live, when they have locked it.

// cStacks makes C stacks, on the engine of one M. Nil: there is no C in this build.
var cStacks *gort.Stacks

// newFreeTree makes the calling goroutine, which is not locked to its thread, the root of a
// free tree.
func newFreeTree(implicit bool) *tree {
	made := &struct {
		t tree
		c core
		g Greenlet
	}{}
	t, c := &made.t, &made.c
	engines := freeRecords.Get().(*freeRecord)
	th := &engines.th
	c.id = lastID.Add(1)
	c.name.Store(&rootName)
	c.life.Store(lifeStarted)
	engines.one.InitFree(cStacks, unsafe.Pointer(t))
	th.one, th.tree = &engines.one, t
	th.root = th.one.EnterFree()
	c.coro = th.root
	c.tree.Store(t)
	made.g.c, c.strongRef = c, &made.g
	t.th, t.one, t.record = th, th.one, engines
	t.free.Store(true)
	t.root, t.current = &made.g, &made.g
	t.epoch = epoch.Load()
	c.coro.SetOwner(unsafe.Pointer(t))
	c.next, c.prev = c, c
	t.implicit = implicit
	t.rootG, t.rootGoid = gort.CurrentG()
	roots.add(t)
	t.register()
	t.updateObservers()
	return t
}

// A freeRecord is a free tree's engine. It is used again, since it is large, and trees come
// and go with a Pull.
type freeRecord struct {
	th  thread
	one gort.Thread
}

var freeRecords = sync.Pool{New: func() any { return &freeRecord{} }}

// bindToThread makes a free tree one of the thread's, for a greenlet that is to have a C stack of
// its own size, or to carry a variable of the thread. That is only done while nothing but the
// root lives in it: else it stays as it is.
func (t *tree) bindToThread() error {
	if t.current != t.root || t.liveCount() != 0 {
		return nil
	}
	t.th.pool.trim(0, t.th.root)
	endingOrphans.Lock()
	defer endingOrphans.Unlock()
	if t.liveCount() != 0 { // somebody has just given it a greenlet
		return nil
	}
	lockThread()
	th, err := threadHere()
	if err != nil {
		unlockThread()
		return err
	}
	roots.remove(t)
	th.raceAcquire()
	th.root = engine.enterRoot(th)
	t.mu.Lock()
	t.root.c.coro = th.root
	t.mu.Unlock()
	t.th, t.one = th, th.one
	t.carry()
	t.tid.Store(int32(th.tid))
	t.free.Store(false)
	t.one.Owner = unsafe.Pointer(t)
	th.root.SetOwner(unsafe.Pointer(t))
	th.tree = t
	storeSlot(slotTree, unsafe.Pointer(t))
	return nil
}

// releaseGoroutine is the end of close for a free tree.
func (t *tree) releaseGoroutine() {
	t.th.pool.freeOrphans()
	t.one.Untie()
	engine.leaveRoot(t.th)
	roots.remove(t)
	t.raceRelease()
	t.mu.Lock()
	// Who was moved away, and has not run since, still tells by the record whether it was.
	again := !t.movedSomeOut
	t.mu.Unlock()
	if again && len(t.th.pool.idle) == 0 && len(t.th.pool.orphans) == 0 && t.th.tiedTree.Load() == nil {
		freeRecords.Put((*freeRecord)(unsafe.Pointer(t.th)))
	}
}

// treeOfGoroutine is the free tree that the calling goroutine runs in, or nil.
func treeOfGoroutine() *tree {
	g, id := gort.CurrentG()
	if t := roots.find(g, id); t != nil {
		return t
	}
	c, g, id := gort.CurrentCoro()
	switch {
	case c != nil:
		return (*tree)(c.Home().Owner)
	case g != 0:
		return roots.find(g, id)
	}
	return nil
}

// rootGone says whether the tree is free and its root's goroutine has ended. Any goroutine may
// ask.
func (t *tree) rootGone() bool { return t.free.Load() && gort.GoroutineEnded(t.rootG, t.rootGoid) }

// roots are the free trees, by their goroutines.
var roots rootSet

// A rootSet has most trees in a table, by a hash of g. Those whose place is taken are in
// more, by the goroutine's number.
type rootSet struct {
	n     atomic.Int64
	table [1 << rootBits]atomic.Pointer[tree]

	nmore atomic.Int64
	mu    sync.Mutex
	more  map[uint64]*tree
}

const rootBits = 12

func (r *rootSet) place(g uintptr) *atomic.Pointer[tree] {
	const golden = 0x9E3779B97F4A7C15
	return &r.table[uint64(g)*golden>>(64-rootBits)]
}

func (r *rootSet) add(t *tree) {
	r.n.Add(1)
	if r.place(t.rootG).CompareAndSwap(nil, t) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.more == nil {
		r.more = map[uint64]*tree{}
	}
	r.more[t.rootGoid] = t
	r.nmore.Add(1)
}

// remove takes t out, if it is there.
func (r *rootSet) remove(t *tree) {
	if !r.place(t.rootG).CompareAndSwap(t, nil) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.more[t.rootGoid] != t {
			return
		}
		delete(r.more, t.rootGoid)
		r.nmore.Add(-1)
	}
	r.n.Add(-1)
}

// find returns the tree of a goroutine; nil: it has none.
func (r *rootSet) find(g uintptr, id uint64) *tree {
	if t := r.place(g).Load(); t != nil && t.rootG == g && t.rootGoid == id {
		return t
	}
	if r.nmore.Load() == 0 {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.more[id]
}

// each calls f for those that are there now.
func (r *rootSet) each(f func(t *tree)) {
	if r.n.Load() == 0 {
		return
	}
	for i := range r.table {
		if t := r.table[i].Load(); t != nil {
			f(t)
		}
	}
	r.mu.Lock()
	more := slices.Collect(maps.Values(r.more))
	r.mu.Unlock()
	for _, t := range more {
		f(t)
	}
}

// liveCount is how many live. Others may be taking some away.
func (t *tree) liveCount() int {
	if raceEnabled && t.record != nil {
		t.mu.Lock()
		defer t.mu.Unlock()
	}
	return t.nlive
}

// pin makes sure that c, which is suspended in this tree, is not taken away before it is
// switched to. False: it has been.
func (t *tree) pin(c *core) bool {
	if !t.free.Load() || c == t.current.c || c == t.root.c {
		return true
	}
	var coro coro
	if raceEnabled { // it may be ending elsewhere: then it is found gone, or another tree's
		in := c.lockTree()
		coro = c.coro
		in.mu.Unlock()
	} else {
		coro = c.coro
	}
	return coro != nil && coro.Hold(t.one)
}
