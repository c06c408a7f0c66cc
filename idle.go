package greenlet

import "github.com/go-greenlet/greenlet/internal/gort"

// A goroutine that iterates by Pull, and has no other greenlets, is a root only during each
// iteration. To make a tree and to end it takes longer than all that such an iteration does. So
// the tree stays, empty and idle, for the next iteration of the goroutine, or of a later one with
// the same g. No greenlet, no goroutine and no thread belongs to it meanwhile. Nobody may have a
// reference to such a tree, its root or a greenlet of it, since it would find something else
// there later: so it is private. The ends of asymmetric coroutines alone may have one, which use
// nothing of a tree in which they have ended.

// The states of tree.known. A tree is private from its beginning on, before it is in the list trees,
// or never. Each change is a compare-and-swap, but for the last one of takeIdle, whose first one keeps
// all others away.
//
//	treePrivate --makeKnown--> treeKnown
//	  |     ^
//	  |     '---takeIdle---- treeTaken
//	  |                          ^
//	  '--becomeIdle-> treeIdle --+-- takeIdle, endIdle
const (
	treeKnown   int32 = iota // there may be references to the tree
	treePrivate              // its goroutine uses it, for bodies of asymmetric coroutines
	treeIdle                 // no greenlet lives in it, and no goroutine finds it
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
// root's goroutine calls it. Its workers end, as they do when a tree is closed; the memory of one stays
// (pool.ended).
//
// Another goroutine may just have taken the last greenlet away. Then it has made the tree known
// before, so the compare-and-swap fails; the tree is to be closed, since its record must not
// become that of another one (see releaseGoroutine).
func (t *tree) becomeIdle() bool {
	if t.known.Load() != treePrivate || t.carrier.Tied() || t.carrier.Bubble() || roots.place(t.rootG).Load() != t {
		return false
	}
	t.th.pool.trim(0, t.th.root)
	return t.known.CompareAndSwap(treePrivate, treeIdle)
}

// takeIdle returns the idle tree of the calling goroutine, which is its root again, or that of one
// that has ended and had the same g. Nil: there is none that may be used. The compare-and-swap
// fails if another goroutine ends the tree. If epoch has changed, then as for a new tree it matters
// only for who observes.
func takeIdle() *tree {
	g, goid := gort.CurrentG()
	t := roots.place(g).Load()
	if t == nil || t.rootG != g || gort.InBubble() || !t.known.CompareAndSwap(treeIdle, treeTaken) {
		return nil
	}
	if t.rootGoid.Load() != goid {
		t.rootGoid.Store(goid)
		t.carrier.SetRootID(goid)
	}
	t.root.c.resetSwitches()
	t.known.Store(treePrivate)
	if now := epoch.Load(); t.epoch != now {
		t.epoch = now
		t.lookForObservers()
	}
	return t
}

// endIdle ends the tree if it is idle. Any goroutine may call it that holds no lock of this
// package's. The compare-and-swap fails if the tree is not idle, or if another goroutine ends it.
func (t *tree) endIdle() {
	if t.known.CompareAndSwap(treeIdle, treeTaken) {
		t.close(endReleased)
	}
}

// endIdleTrees ends all trees that are idle. It is called after each collection.
func endIdleTrees() {
	var idle []*tree
	trees.mu.Lock()
	for t := trees.first; t != nil; t = t.links.next {
		if t.known.Load() == treeIdle {
			idle = append(idle, t)
		}
	}
	trees.mu.Unlock()
	for _, t := range idle {
		t.endIdle()
	}
}
