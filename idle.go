package greenlet

import (
	"sync/atomic"
	"time"

	"github.com/go-greenlet/greenlet/internal/gort"
)

// A goroutine that iterates by Pull, and has no other greenlets, is a root only during each
// iteration. To make a tree and a worker, and to end them, takes longer than all that such an iteration
// does. So the tree stays, empty and idle, with its workers, for the next iteration of the goroutine, or of a
// later one with the same g. No greenlet and no thread belongs to it meanwhile. Nobody may have a
// reference to such a tree, its root or a greenlet of it, since it would find something else
// there later: so it is private. The ends of asymmetric coroutines alone may have one, which use
// nothing of a tree in which they have ended.
//
// The workers are goroutines, and a program that counts its own does not expect any when its iterations
// are over. So a tree that stays idle is ended soon, see idlePeriod.

// The states of tree.known. A tree is private from its beginning on, before it is in the list trees,
// or never. Each change is a compare-and-swap, but for the last one of takeIdle, whose first one keeps
// all others away.
//
//	treePrivate --makeKnown--> treeKnown
//	 |   ^   ^
//	 |   |   '----- takeIdle: of an earlier goroutine ---- treeTaken
//	 |   |                                                    ^
//	 |   '------ takeIdle -----.----------------.             | take
//	 |                         |                |             |
//	 '--becomeIdle--------> treeIdle --> treeUnused ----------'
//	                           |  endUnused                   |
//	                           '------------------------------'
const (
	treeKnown   int32 = iota // there may be references to the tree
	treePrivate              // its goroutine uses it, for bodies of asymmetric coroutines
	treeIdle                 // no greenlet lives in it, and no goroutine finds it
	treeUnused               // idle, and endUnused has come across it
	treeTaken                // endIdle ends it, or takeIdle changes what names its goroutine
)

// privateTree makes the calling goroutine a root for an operation on the body of an asymmetric
// coroutine.
func privateTree() (*tree, error) {
	if roots.n.Load() != 0 && !gort.Locked() {
		if t := takeIdle(); t != nil {
			return t, nil
		}
	}
	if err := chooseEngine(); err != nil {
		return nil, err
	}
	if !oneM || gort.Locked() {
		return newTree(true, true)
	}
	return newFreeTree(true, true), nil
}

// makeKnown notes that there may be a reference to the tree. It says whether the tree is in use.
// Any goroutine may call it.
func (t *tree) makeKnown() bool {
	for {
		switch t.known.Load() {
		case treeKnown:
			return true
		case treePrivate:
			if t.known.CompareAndSwap(treePrivate, treeKnown) {
				return true
			}
		default:
			return false
		}
	}
}

// becomeIdle makes a private tree in which nothing lives idle, unless it is tied to a thread, or in a
// bubble of testing/synctest, which no other goroutine with the same g need be, or not in the
// table, where alone takeIdle looks. If it returns true, t may be another goroutine's at once. The
// root's goroutine calls it.
//
// Another goroutine may just have taken the last greenlet away. Then it has made the tree known
// before, so the compare-and-swap fails; the tree is to be closed, since its record must not
// become that of another one (see releaseGoroutine).
func (t *tree) becomeIdle() bool {
	if t.known.Load() != treePrivate || t.carrier.Tied() || t.carrier.Bubble() || roots.place(t.rootG).Load() != t ||
		!t.known.CompareAndSwap(treePrivate, treeIdle) {
		return false
	}
	if !t.looked.Load() {
		t.lookLater()
	}
	return true
}

// take changes the state of an idle tree to treePrivate or treeTaken, and returns false if the tree is not idle. The
// compare-and-swap fails if another goroutine takes it, or if endUnused has come across it: then it is tried
// again. Any goroutine may call it, with treePrivate only the root's.
func (t *tree) take(to int32) bool {
	for {
		state := t.known.Load()
		if state != treeIdle && state != treeUnused {
			return false
		}
		if t.known.CompareAndSwap(state, to) {
			return true
		}
	}
}

// takeIdle returns the idle tree of the calling goroutine, which is its root again, or that of one
// that has ended and had the same g. Nil: there is none that may be used. If epoch has changed, then as for
// a new tree it matters only for who observes.
func takeIdle() *tree {
	g, goid := gort.CurrentG()
	t := roots.place(g).Load()
	if t == nil || t.rootG != g || gort.InBubble() {
		return nil
	}
	if t.rootGoid.Load() == goid { // which nobody else changes
		if !t.take(treePrivate) {
			return nil
		}
	} else {
		if !t.take(treeTaken) {
			return nil
		}
		t.rootGoid.Store(goid)
		t.carrier.SetRootID(goid)
		t.known.Store(treePrivate)
	}
	t.root.c.resetSwitches()
	if now := epoch.Load(); t.epoch != now {
		t.epoch = now
		t.lookForObservers()
	}
	return t
}

// endIdle ends the tree if it is idle, and its workers, and says whether it was. Any goroutine may call it that
// holds no lock of this package's and is not in a bubble of testing/synctest: the runtime counts who runs in a
// bubble, and would not notice that the caller goes on when a worker, which is in none, has ended
// (coroswitch_m, coro.go).
func (t *tree) endIdle() bool {
	if !t.take(treeTaken) {
		return false
	}
	p := &t.th.pool
	p.orphans, p.idle = append(p.orphans, p.idle...), nil
	t.close(endReleased)
	return true
}

// idlePeriod is how often endUnused runs while trees are idle: one ends when it was idle for one to two
// periods. It is long beside what a tree and a worker cost, and short beside what leak checkers wait
// for goroutines to end (goleak: 0.4 s).
const idlePeriod = 10 * time.Millisecond

// idleTrees is the stack of the trees that endUnused is to look at, by tree.nextLooked. Any goroutine pushes
// one by a compare-and-swap; endUnused takes all. While it is not empty, a timer is set.
var idleTrees atomic.Pointer[tree]

// lookLater has endUnused look at t, unless it is to do so already. Any goroutine may call it. The first
// compare-and-swap fails if another one has just done this; the second one if another tree was pushed, or
// endUnused has taken all: then it is tried again.
func (t *tree) lookLater() {
	if t.looked.CompareAndSwap(false, true) {
		t.pushIdle()
	}
}

func (t *tree) pushIdle() {
	for {
		top := idleTrees.Load()
		t.nextLooked = top
		if idleTrees.CompareAndSwap(top, t) {
			if top == nil {
				time.AfterFunc(idlePeriod, endUnused)
			}
			return
		}
	}
}

// endUnused ends the trees that are idle and were so when it looked before. The others that are idle
// it looks at again. It forgets those that are in use: a tree that becomes idle, and sees that it was forgotten,
// asks to be looked at; one that has become idle before that is seen here. The timer calls it, on a goroutine of
// its own.
func endUnused() {
	for t := idleTrees.Swap(nil); t != nil; {
		next := t.nextLooked
		t.nextLooked = nil
		if t.known.CompareAndSwap(treeIdle, treeUnused) {
			t.pushIdle()
		} else if t.known.Load() != treeUnused || !t.endIdle() {
			t.looked.Store(false)
			if t.known.Load() == treeIdle {
				t.lookLater()
			}
		}
		t = next
	}
}
