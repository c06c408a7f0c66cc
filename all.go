package greenlet

import (
	"iter"
	"sync"
	"sync/atomic"
)

// This file lists what lives, for whoever looks on from another goroutine.

// trees is the list of all trees that have not ended, the oldest first. A tree is in it
// from the end of newTree to finish, so the list keeps nothing that would not be kept.
var trees struct {
	mu          sync.Mutex
	first, last *tree
}

// treeLinks is a tree's place in trees.
type treeLinks struct{ prev, next *tree }

func (t *tree) register() {
	trees.mu.Lock()
	defer trees.mu.Unlock()
	t.links.prev = trees.last
	if trees.last == nil {
		trees.first = t
	} else {
		trees.last.links.next = t
	}
	trees.last = t
}

func (t *tree) unregister() {
	trees.mu.Lock()
	defer trees.mu.Unlock()
	if t.links.prev == nil {
		trees.first = t.links.next
	} else {
		t.links.prev.links.next = t.links.next
	}
	if t.links.next == nil {
		trees.last = t.links.prev
	} else {
		t.links.next.links.prev = t.links.prev
	}
	t.links = treeLinks{}
}

// allTrees is a copy of the list.
func allTrees() (all []*tree) {
	trees.mu.Lock()
	defer trees.mu.Unlock()
	for t := trees.first; t != nil; t = t.links.next {
		all = append(all, t)
	}
	return all
}

// living are the tree's started greenlets, without the root, the oldest first. Any goroutine
// may ask.
func (t *tree) living() []*core {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]*core, 0, t.nlive)
	for c := t.root.c.next; c != t.root.c; c = c.next {
		all = append(all, c)
	}
	return all
}

// lockTree locks the tree that c, which was started, is in: it may go to another one just
// now.
func (c *core) lockTree() *tree {
	for {
		t := c.tree.Load()
		t.mu.Lock()
		if c.tree.Load() == t {
			return t
		}
		t.mu.Unlock()
	}
}

// All yields the roots and the started, living greenlets of the process: one tree after
// the other, each root before its greenlets, those in the order in which they were
// started. Any goroutine may call it, while the trees run: what begins meanwhile may be
// missing, and what was yielded may have ended when it is looked at.
//
// It keeps nobody alive but the one that it yields. So one that the collector has found
// forgotten, and that is about to be killed for that, is not yielded, and a root that is
// yielded still ends with its tree.
func All() iter.Seq[*Greenlet] {
	return func(yield func(*Greenlet) bool) {
		for _, t := range allTrees() {
			if t.end.Load() == endNot && !yield(t.root) {
				return
			}
			for _, c := range t.living() {
				if g := c.livingRef(); g != nil && !yield(g) {
					return
				}
			}
		}
	}
}

// Children returns the started, living greenlets whose parent is g, in the order in which
// they were started. Any goroutine may call it; see All.
func (g *Greenlet) Children() (children []*Greenlet) {
	if !g.valid() {
		return nil
	}
	search := allTrees()
	if t := g.c.tree.Load(); t != nil && g.c.life.Load() == lifeStarted {
		search = []*tree{t} // else a greenlet of another tree can be one's that was moved
	}
	for _, t := range search {
		for _, c := range t.living() {
			if p := c.parent.Load(); p == nil || p.c != g.c {
				continue
			}
			if child := c.livingRef(); child != nil {
				children = append(children, child)
			}
		}
	}
	return children
}

// LookupCurrent returns the greenlet that runs on the calling goroutine, and whether there
// is one: unlike Current it makes no root.
func LookupCurrent() (*Greenlet, bool) {
	if t := currentTree(); t != nil {
		return t.currentRef(), true
	}
	return nil, false
}

// countSwitch notes a switch to c, by its own thread. Others read the number, so the race
// detector is to find no ordinary write; where it is not there, that takes less.
func (c *core) countSwitch() {
	if raceEnabled {
		atomic.AddUint64(&c.switches, 1)
	} else {
		c.switches++
	}
}

// switchCount is that number. Any goroutine may ask.
func (c *core) switchCount() uint64 { return atomic.LoadUint64(&c.switches) }
