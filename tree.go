package greenlet

import (
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/go-greenlet/greenlet/internal/gort"
	"github.com/go-greenlet/greenlet/internal/layer"
	"github.com/go-greenlet/greenlet/internal/timeline"
)

// A tree is a root and the greenlets under it: all that run on one thread, or, if it is
// free, for one goroutine. Only that touches it, but for the fields that say otherwise.
type tree struct {
	current *Greenlet
	one     *gort.Thread // th's; nil on other engines than that of one M

	inbox   message     // what the greenlet that is switched to will find
	resumed *asymmetric // whose body is switched to by a Cross, for it to find
	resumer *Greenlet   // and from whom
	slow    slowReasons // why a switch is not just a switch
	epoch   uint32      // collections, when reap was last at work

	th       *thread
	tid      atomic.Int32 // of th, 0 if it is free; to be read by anybody
	free     atomic.Bool  // it is bound to its goroutine; see free.go
	record   *freeRecord  // what it began with, if it was free then; others find its greenlets by it
	rootGoid uint64       // if it was free: its goroutine's number

	orphaned     atomic.Bool // its goroutine has ended, and endOrphan is at work, or has been
	isReaper     bool        // it is for the ends of what another one's goroutine has left
	movedSomeOut bool        // some were moved away; written under mu

	root *Greenlet
	heir *Greenlet // who gets control in place of the parent when the current one ends, which it is about to

	mu    sync.Mutex // for those that look on: the thread's own changes of live, and see core
	links treeLinks  // where it is in the list of all trees

	slots     []tlsSlot // which all of its greenlets carry
	sections  int       // of C code that must not be left, around whoever runs
	nlive     int       // started greenlets; root.c is the head of their ring, the oldest first
	unwatched *core     // the oldest in it that watch has not been called for, as those after it; nil: none
	tracer    Tracer
	layer     layer.Layer
	recording *timeline.Recording // that lane belongs to
	lane      *timeline.Lane      // what happens is noted there; nil: nowhere
	noted     *core               // who runs, as far as observed was told; nil: it is not wanted
	implicit  bool                // made by a Switch or Throw, not by Run
	rootG     uintptr             // the g of the goroutine that is locked to the thread: with fibers, one of several
	rootRef   atomic.Int32
	end       atomic.Int32
	goroutine gort.Goroutine // the root's, for ending

	unreachable        atomic.Pointer[unreachable] // found by the collector; any goroutine adds
	killingUnreachable bool                        // reap is at work
}

// slowReasons is a set of reasons.
type slowReasons uint8

const (
	slowHousekeeping slowReasons = 1 << iota // take has more to do than to take; see chore
	slowSection                              // C code must not be left
	slowEnded                                // it has ended
	slowObserved                             // every switch is wanted; see observe
)

// isHereAndIdle says whether the calling goroutine runs in this tree, and nothing is to be done
// but what it wants to do. Any goroutine may ask.
func (t *tree) isHereAndIdle() bool { return t.one != nil && t.one.Running() && t.nothingToDo() }

// nothingToDo is quiet for the goroutine that runs in the tree.
func (t *tree) nothingToDo() bool { return t.slow&^slowObserved == 0 && t.epoch == epoch.Load() }

// What asked says about an implicit tree. Whoever changes it first decides: a
// root that somebody has a reference to is not released.
const (
	rootUnreferenced int32 = iota
	rootReferenced
	rootReleased // released
)

// What end says.
const (
	endNot      int32 = iota
	endReleased       // the goroutine goes on without greenlets
	endScope          // the Run has returned
	endThread         // the thread is gone
)

// currentTree is the tree of the calling goroutine, or nil.
//
// The word is set only while a root has its thread locked, so a goroutine that
// may change threads finds nil on whichever it is.
//
// A free tree is found from the goroutine.
func currentTree() *tree {
	if t := (*tree)(loadSlot(slotTree)); t != nil {
		return t
	}
	if roots.n.Load() == 0 {
		return nil
	}
	return treeOfGoroutine()
}

func init() {
	layer.Here = func() (kept layer.Layer, current unsafe.Pointer) {
		if t := currentTree(); t != nil {
			kept, current = t.layer, unsafe.Pointer(t.current)
			t.raceRelease()
		}
		return kept, current
	}
	layer.Keep = func(l layer.Layer) {
		t := currentTree()
		t.mu.Lock()
		t.layer = l
		t.mu.Unlock()
		t.raceRelease()
	}
	layer.Refused = func(err error) bool {
		_, yes := err.(unsent)
		return yes
	}
	layer.Root = func() unsafe.Pointer {
		t := currentTree()
		t.referenceRoot()
		return unsafe.Pointer(t.root)
	}
	layer.Heir = func(to unsafe.Pointer) { currentTree().heir = (*Greenlet)(to) }
}

// referenceRoot notes that somebody has a reference to the root.
func (t *tree) referenceRoot() { t.rootRef.CompareAndSwap(rootUnreferenced, rootReferenced) }

// endedText is a word for String about a tree that has ended.
func (t *tree) endedText() string {
	switch t.endState() {
	case endReleased, endScope:
		return ", released"
	case endThread:
		return ", exited"
	}
	return ""
}

// Current returns the running greenlet. In a goroutine that has no greenlets it
// makes that goroutine a root for the rest of its life, and returns the root. That does not
// lock it to its thread: whoever needs the thread says [Run] or [runtime.LockOSThread].
// (On the portable engine, and in a goroutine that is locked already, the root is locked for
// as long as it is one.)
//
// If the operating system refuses what that takes (a thread-local key), Current
// panics with the error that a Switch would return.
func Current() *Greenlet {
	if t := currentTree(); t != nil { // the common case
		return t.currentRef()
	}
	t, err := newTree(true, true)
	if err != nil {
		panic(err)
	}
	return t.currentRef()
}

// currentRef returns the running greenlet to the user.
func (t *tree) currentRef() *Greenlet {
	g := t.current
	if g == t.root {
		t.referenceRoot()
	}
	t.raceRelease()
	return g
}

// ownTree is the tree of the calling goroutine, which is made if there is none.
func ownTree() (*tree, error) {
	if t := currentTree(); t != nil {
		return t, nil
	}
	return newTree(true, true)
}

var rootName = "root"

// newTree makes the goroutine a root. It locks the goroutine to its thread, unless the
// tree is to be free and the goroutine is not locked.
func newTree(implicit, free bool) (*tree, error) {
	if err := chooseEngine(); err != nil {
		return nil, err
	}
	if free && oneM && !gort.Locked() {
		return newFreeTree(implicit), nil
	}
	lockThread()
	th, err := threadHere()
	if err != nil {
		unlockThread()
		return nil, err
	}
	th.raceAcquire()
	made := &struct {
		t tree
		c core
		g Greenlet
	}{}
	t, c := &made.t, &made.c
	c.id = lastID.Add(1)
	c.name.Store(&rootName)
	c.life.Store(lifeStarted)
	th.root = engine.enterRoot(th)
	c.coro = th.root
	c.tree.Store(t)
	made.g.c, c.strongRef = c, &made.g
	t.th = th
	t.tid.Store(int32(th.tid))
	t.root, t.current, t.one = &made.g, &made.g, th.one
	if t.one != nil {
		t.one.Owner = unsafe.Pointer(t)
	}
	t.epoch = epoch.Load()
	c.coro.SetOwner(unsafe.Pointer(t))
	t.carry()
	c.next, c.prev = c, c
	t.implicit = implicit
	t.rootG = gort.Getg()
	if onLines.Load() {
		t.goroutine = gort.Self()
	}
	th.tree = t
	storeSlot(slotTree, unsafe.Pointer(t))
	t.register()
	t.updateObservers()
	return t, nil
}

// close ends the tree, called by its root's goroutine.
//
// The thread may end, or become somebody else's root, as soon as it is unlocked.
func (t *tree) close(end int32) {
	if !t.finish(end) {
		return
	}
	if t.free.Load() {
		t.releaseGoroutine()
		return
	}
	storeSlot(slotTree, nil)
	t.th.tree = nil
	t.th.pool.freeOrphans()
	engine.leaveRoot(t.th)
	t.raceRelease()
	unlockThread()
}

// finish marks all that belongs to the tree as over. False: it has been over before, and
// what it had may be somebody else's by now. (The hook that hears of the ends of those that
// endOrphan kills may use greenlets, and that ends endOrphan's own tree, which is implicit.)
func (t *tree) finish(end int32) bool {
	if !t.end.CompareAndSwap(endNot, end) {
		return false
	}
	t.unregister()
	t.slow |= slowEnded
	t.root.c.life.Store(lifeDead)
	for c := t.youngest(); c != nil; c = t.youngest() {
		if t.pin(c) { // else somebody takes it just now
			t.destroy(c)
		}
	}
	if t.tracer = nil; t.lane != nil {
		t.lane.Close(gort.Ticks())
		t.lane, t.recording = nil, nil
	}
	t.inbox = message{}
	if t.layer != nil {
		t.layer.End()
		t.mu.Lock()
		t.layer = nil
		t.mu.Unlock()
	}
	return true
}

// youngest is the started greenlet that was started last; nil: there is none.
func (t *tree) youngest() *core {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.root.c.prev == t.root.c {
		return nil
	}
	return t.root.c.prev
}

// endOperation is the last thing that an operation does. It ends an implicit tree whose
// root nobody knows and which has nothing left to run, and unlocks the goroutine. It
// cannot unlock another one: then the tree lasts until the right one is done.
func (t *tree) endOperation() {
	if t.implicit && t.liveCount() == 0 && t.rootG == gort.Getg() && t.rootRef.CompareAndSwap(rootUnreferenced, rootReleased) {
		t.close(endReleased)
	}
	t.raceRelease()
}

// destroy ends a started greenlet of which nothing will ever run again.
func (t *tree) destroy(c *core) {
	t.th.pool.orphan(c.worker)
	t.markDead(c)
}

// runs says whether c is the one of its tree that runs. Any goroutine may ask.
func (t *tree) runs(c *core) bool {
	return t.end.Load() == endNot && t.running().c == c
}

// running is the current greenlet, for any goroutine.
func (t *tree) running() *Greenlet {
	return (*Greenlet)(atomic.LoadPointer((*unsafe.Pointer)(unsafe.Pointer(&t.current))))
}

// setCurrent makes g the one that runs. An ordinary store does, but for the race detector:
// whoever reads it in runs finds one or the other.
func (t *tree) setCurrent(g *Greenlet) {
	if raceEnabled {
		atomic.StorePointer((*unsafe.Pointer)(unsafe.Pointer(&t.current)), unsafe.Pointer(g))
		return
	}
	t.current = g
}
