package greenlet

import (
	"fmt"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/go-greenlet/greenlet/internal/gort"
	"github.com/go-greenlet/greenlet/internal/layer"
	"github.com/go-greenlet/greenlet/internal/timeline"
)

// A tree is a root and the greenlets under it, of which one runs at a time: all on one
// thread, or, in a free tree (free.go), all for one goroutine. A field whose comment does not
// name a lock or another goroutine is used by the running greenlet alone, and by the goroutine
// that ends the tree.
type tree struct {
	// The running greenlet, written by setCurrent and the short switches. Any goroutine reads
	// it by running, and csrc/go_overflow.c by its offset.
	current *Greenlet
	carrier *gort.Thread // th.carrier; nil on other engines than that of one M
	root    *Greenlet    // never changes

	// The record of a tree that began as a free one, by which other goroutines claim its
	// greenlets; it never changes. bindToThread changes th and leaves this. nil: the tree was bound
	// from the beginning.
	record *freeRecord

	// Guards the ring of started greenlets, nlive, visited, movedSomeOut, posts, layer and the
	// fields of core that say so: the running greenlet and goroutines that move or end
	// greenlets write them under mu; other goroutines read them under mu.
	mu sync.Mutex

	// The g of the root's goroutine. A thread of C that runs fibers has several goroutines, of
	// which this one alone can unlock the thread.
	rootG    uintptr
	rootGoid atomic.Uint64 // the number of the root's goroutine, if the tree began as a free one; takeIdle changes it

	// The greenlet that waits in callOn for the probed one to switch back, and must not be moved
	// meanwhile; claim reads it on other goroutines. nil: there is none.
	prober atomic.Pointer[core]

	inbox message // written right before a switch, read by the greenlet that is switched to

	// beginFastResume writes them for the body that is switched to, current. Its takeFastResume clears
	// them, or undoFastResume, if the switch was refused.
	resumer  *Greenlet // the greenlet that resumes it; nil: no such switch is under way
	stopping bool      // it does so to end an iterator

	slow  slowReasons // why a switch has to take the long way; 0: it need not
	epoch uint32      // the value of the variable epoch at the last catchUp

	th *thread // the record of the thread that it is bound to, or, of a free tree, its own; bindToThread changes it

	// tid and free are written at the beginning and by bindToThread; any goroutine reads them.
	tid  atomic.Int32 // th.tid; 0: the tree is free
	free atomic.Bool  // the tree is bound to its root's goroutine, and not to a thread

	// The root's goroutine has ended, and endOrphan ends the tree, or has done so. endIfOrphan
	// sets it; endOrphan clears it if a later collection has to try again.
	orphaned     atomic.Bool
	isReaper     bool // endOrphan has made it, to kill the greenlets of a tree whose goroutine has ended
	movedSomeOut bool // greenlets were moved to other trees; guarded by mu

	heir *Greenlet // layer.Heir sets it for deliver: gets control in place of the parent when the current greenlet ends; nil: the parent does

	links treeLinks // guarded by trees.mu

	looked     atomic.Bool // endUnused is to look at the tree; who sets it owns nextLooked, until endUnused clears both
	nextLooked *tree       // the one below in idleTrees

	slots    []tlsSlot // the words that all of its greenlets carry; Run sets them before it calls f
	sections int       // how many sections of C code the running greenlet is in; see section.go
	nlive    int       // the length of the ring of started greenlets, the oldest first, whose head is root.c; liveCount reads it without mu
	visited  *core     // the last one of the ring that watchNext has visited; nil or root.c: it has visited none
	posts    []func()  // what Post has left, the oldest first; guarded by mu
	tracer   Tracer
	layer    layer.Layer // what package tasklet keeps with the root; the running greenlet reads it without mu

	// updateObservers sets these three.
	recording *timeline.Recording // what lane is a part of; nil: none
	lane      *timeline.Lane      // the tree's events in the recording that is being made; nil: there is none
	noted     *core               // the greenlet that ran when noteSwitch was last called; nil: switches are not observed

	implicit bool // made by the first operation that needed a root, and not by Run

	known     atomic.Int32   // treeKnown and so on
	rootRef   atomic.Int32   // rootUnreferenced and so on
	end       atomic.Int32   // endNot and so on
	goroutine gort.Goroutine // the root's, from which endState learns of its end; set if onLines is

	// A stack of the greenlets that the collector has found unreachable. Any goroutine
	// pushes by compare-and-swap; killUnreachable takes all by a swap with nil.
	unreachable        atomic.Pointer[unreachable]
	killingUnreachable bool // killUnreachable runs, and must not begin again inside itself
	catching           int  // how many calls of catchUpSlow have not returned, one inside the other or in several greenlets
}

// slowReasons is the set of reasons why a switch takes the long way.
type slowReasons uint8

const (
	slowHousekeeping slowReasons = 1 << iota // receive has to call housekeep, or a tracer
	slowSection                              // the running greenlet is in a section of C code: switches are refused
	slowEnded                                // the tree has ended
	slowObserved                             // every switch has to be noted; see noteSwitch
)

// isHere says whether the calling goroutine runs in this tree. Any goroutine may call it. Where it
// and nothingToDo are asked one after the other, they are two so that the compiler inlines both.
func (t *tree) isHere() bool { return t.carrier != nil && t.carrier.Running() }

// nothingToDo says whether the tree has nothing to do at a switch but the switch itself. The caller
// runs in the tree. A switch that has to be noted is no obstacle: gotPlainValueNoted notes it.
func (t *tree) nothingToDo() bool { return t.slow&^slowObserved == 0 && t.epoch == epoch.Load() }

// The states of tree.rootRef. They matter to an implicit tree, which endOperation may end only
// as long as the program has no reference to the root. Both changes are compare-and-swaps from
// rootUnreferenced, so the first one decides.
//
//	rootUnreferenced --referenceRoot--> rootReferenced
//	        '----------endOperation---> rootReleased (endIdle leaves it out)
const (
	rootUnreferenced int32 = iota // the program has no reference to the root
	rootReferenced                // it may have one
	rootReleased                  // the tree is about to end, or has ended
)

// The states of tree.end. finish makes the only change, from endNot to one of the others.
const (
	endNot      int32 = iota // the tree is in use
	endReleased              // the root is one no more; its goroutine goes on without greenlets
	endScope                 // the Run has returned
	endThread                // the thread or the root's goroutine has ended
)

// currentTree returns the tree that the calling goroutine runs in, or nil.
func currentTree() *tree {
	t := treeHere()
	if t != nil {
		t.makeKnown()
	}
	return t
}

// treeHere is currentTree for the ends of an asymmetric coroutine alone: the tree stays private.
//
// A bound tree is found by the thread-local word slotTree, which is set only while a root's
// goroutine is locked to the thread: a goroutine that may change threads finds nil on any of
// them. A free tree is found by the goroutine. An idle one is not found.
func treeHere() *tree {
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
		for _, f := range t.posts { // under mu, since what is posted from now on goes to l at once
			l.Post(f)
		}
		t.posts = nil
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

// referenceRoot notes that the program may have a reference to the root. Any goroutine may
// call it. The compare-and-swap fails if that was noted before, or if endOperation has just
// released the root; the state stays as it is then.
func (t *tree) referenceRoot() { t.rootRef.CompareAndSwap(rootUnreferenced, rootReferenced) }

// holder names what the tree belongs to: its root's goroutine or its thread. Any goroutine may call it.
func (t *tree) holder() string {
	if t.free.Load() {
		return fmt.Sprintf("goroutine %d", t.rootGoid.Load())
	}
	return fmt.Sprintf("thread %d", t.tid.Load())
}

// endedText is what String adds for a tree that has ended.
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
// lock it to its thread: a program that needs the thread calls [Run] or [runtime.LockOSThread].
// (On the portable engine, and in a goroutine that is locked already, the root is locked for
// as long as it is one.)
//
// If the operating system refuses what that takes (a thread-local key), Current
// panics with the error that a Switch would return.
func Current() *Greenlet {
	if t := currentTree(); t != nil { // the ordinary case
		return t.currentRef()
	}
	t, err := newTree(true, true)
	if err != nil {
		panic(err)
	}
	return t.currentRef()
}

// currentRef returns the running greenlet for the program, which has a reference to it then.
func (t *tree) currentRef() *Greenlet {
	g := t.current
	if g == t.root {
		t.referenceRoot()
	}
	t.raceRelease()
	return g
}

// ownTree returns the tree that the calling goroutine runs in, and makes one if there is none.
func ownTree() (*tree, error) {
	if t := currentTree(); t != nil {
		return t, nil
	}
	return newTree(true, true)
}

var rootName = "root"

// newTree makes the calling goroutine a root. It locks the goroutine to its thread, unless a
// free tree was asked for, the engine has free trees, and the goroutine is not locked yet.
func newTree(implicit, free bool) (*tree, error) {
	if err := chooseEngine(); err != nil {
		return nil, err
	}
	if free && oneM && !gort.Locked() {
		return newFreeTree(implicit, false), nil
	}
	lockThread()
	th, err := threadHere()
	if err != nil {
		unlockThread()
		return nil, err
	}
	th.raceAcquire()
	made := &treeAndRoot{}
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
	t.root, t.current, t.carrier = &made.g, &made.g, th.carrier
	if t.carrier != nil {
		t.carrier.Owner = unsafe.Pointer(t)
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

// close ends the tree. The root's goroutine calls it, or endIdle. When the thread is unlocked, another
// goroutine can run on it at once and become a root, so that comes last.
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

// finish marks the tree and all that belongs to it as ended. It returns false if another call
// has done so before: the tree's thread record may belong to another tree by then, and the
// caller must not touch it. The compare-and-swap fails only for that reason. (It does, for
// example, when the hook of SetUnraisableHook uses greenlets in the tree of endOrphan: that
// tree is implicit, so the end of the hook's operation ends it.)
func (t *tree) finish(end int32) bool {
	if !t.end.CompareAndSwap(endNot, end) {
		return false
	}
	t.unregister()
	t.slow |= slowEnded
	t.root.c.life.Store(lifeDead)
	for t.liveCount() != 0 {
		if c := t.youngest(); c != nil && t.pin(c) { // else another goroutine has moved it to its own tree
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
	}
	t.mu.Lock()
	t.layer, t.posts = nil, nil
	t.root.c.coro = nil // the next tree's root gets this one, and a Switch to this root is not to find it
	t.mu.Unlock()
	return true
}

// youngest returns the living greenlet that was started last, or nil.
func (t *tree) youngest() *core {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.root.c.prev == t.root.c {
		return nil
	}
	return t.root.c.prev
}

// endOperation is the last step of every operation. When becomeIdle has returned true, neither it nor its
// caller touches the tree, which may be another goroutine's at once. It ends an implicit tree in which
// nothing lives and to whose root the program has no reference, or makes it idle, and so unlocks the
// goroutine. Only the root's goroutine can unlock itself; if another one calls, a fiber's or that of an
// iter.Pull, the tree lasts until an operation of the root's goroutine. Nor does an operation end it that is
// made in a section, or inside another one, by a function that catchUp calls, or in a call from C on
// a stack that the tree has put in place. The compare-and-swap fails if the root is referenced, also by a
// referenceRoot of another goroutine at this moment.
func (t *tree) endOperation() {
	if t.implicit && t.liveCount() == 0 && t.catching == 0 && t.sections == 0 && t.rootG == gort.Getg() &&
		(t.carrier == nil || !t.carrier.TiedInC()) {
		t.raceRelease()
		if t.becomeIdle() {
			return
		}
		if t.rootRef.CompareAndSwap(rootUnreferenced, rootReleased) {
			t.close(endReleased)
		}
	}
	t.raceRelease()
}

// destroy gives up a started greenlet that will never run again, whatever is on its stacks.
func (t *tree) destroy(c *core) {
	t.th.pool.orphan(engine.workerOf(c.coro))
	t.markDead(c)
	t.lookAtEnd()
}

// runs says whether c is the running greenlet of the tree. Any goroutine may call it.
func (t *tree) runs(c *core) bool {
	return t.end.Load() == endNot && t.running().c == c
}

// running returns the current greenlet. Any goroutine may call it.
func (t *tree) running() *Greenlet {
	return (*Greenlet)(atomic.LoadPointer((*unsafe.Pointer)(unsafe.Pointer(&t.current))))
}

// setCurrent makes g the current greenlet. A pointer is stored whole, so running finds the one
// before or g, and an ordinary store is enough; the race detector wants to see an atomic one.
func (t *tree) setCurrent(g *Greenlet) {
	if raceEnabled {
		atomic.StorePointer((*unsafe.Pointer)(unsafe.Pointer(&t.current)), unsafe.Pointer(g))
		return
	}
	t.current = g
}
