package greenlet

import (
	"iter"
	"sync"
	"sync/atomic"
)

// This file lists the trees and greenlets of the process for any goroutine.

// trees lists all trees that have not ended, the oldest first. newTree and newFreeTree add a
// tree when it is complete, and finish removes it. mu guards first, last and the links of all
// trees.
var trees struct {
	mu          sync.Mutex
	first, last *tree
}

// treeLinks is a tree's place in the list trees.
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

// allTrees returns a copy of the list, without the trees that are idle. The caller holds no lock of this package's.
func allTrees() (all []*tree) {
	endThreads()
	trees.mu.Lock()
	defer trees.mu.Unlock()
	for t := trees.first; t != nil; t = t.links.next {
		if t.makeKnown() {
			all = append(all, t)
		}
	}
	return all
}

// living returns the tree's started greenlets, without the root, the oldest first. Any goroutine
// may call it.
func (t *tree) living() []*core {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]*core, 0, t.nlive)
	for c := t.root.c.next; c != t.root.c; c = c.next {
		all = append(all, c)
	}
	return all
}

// lockTree locks mu of the tree that c, a started greenlet, is in, and returns that tree. c may
// be moved to another tree while it waits for the lock, so it looks again when it has it.
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
// started. Any goroutine may call it, while the trees run: a greenlet that starts meanwhile
// may be missing, and one that was yielded may have ended when it is looked at.
//
// All keeps none of them reachable but the one that it yields. So a greenlet that the collector
// has found unreachable, and that is about to be killed for that, is not yielded; and a root
// that is yielded still ends with its tree.
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
		search = []*tree{t} // where the children of a started greenlet are; those of another one may be in any tree
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

// countSwitch counts a switch to c. Only the goroutine that switches to c writes the number, so
// an ordinary increment is enough; others read it, for which the race detector wants an atomic
// one.
func (c *core) countSwitch() {
	if raceEnabled {
		atomic.AddUint64(&c.switches, 1)
	} else {
		c.switches++
	}
}

// resetSwitches makes it 0, while nobody switches to c.
func (c *core) resetSwitches() {
	if raceEnabled {
		atomic.StoreUint64(&c.switches, 0)
	} else {
		c.switches = 0
	}
}

// switchCount returns that number. Any goroutine may call it.
func (c *core) switchCount() uint64 { return atomic.LoadUint64(&c.switches) }
