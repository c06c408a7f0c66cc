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

// listed is a tree's place in trees.
type listed struct{ prev, next *tree }

func (t *tree) enlist() {
	trees.mu.Lock()
	defer trees.mu.Unlock()
	t.list.prev = trees.last
	if trees.last == nil {
		trees.first = t
	} else {
		trees.last.list.next = t
	}
	trees.last = t
}

func (t *tree) delist() {
	trees.mu.Lock()
	defer trees.mu.Unlock()
	if t.list.prev == nil {
		trees.first = t.list.next
	} else {
		t.list.prev.list.next = t.list.next
	}
	if t.list.next == nil {
		trees.last = t.list.prev
	} else {
		t.list.next.list.prev = t.list.prev
	}
	t.list = listed{}
}

// allTrees is a copy of the list.
func allTrees() (all []*tree) {
	trees.mu.Lock()
	defer trees.mu.Unlock()
	for t := trees.first; t != nil; t = t.list.next {
		all = append(all, t)
	}
	return all
}

// cores are the tree's started greenlets, without the root, the oldest first. Any goroutine
// may ask.
func (t *tree) cores() []*core {
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

// usersOwn returns the user's reference to c, if c lives and somebody may have one. Any
// goroutine may ask. It makes none, as greenlet does: the collector has found then that
// the greenlet is forgotten, and it is going to be killed.
func (c *core) usersOwn() *Greenlet {
	defer c.lockTree().mu.Unlock()
	switch {
	case c.life.Load() != lifeStarted:
		return nil
	case c.held != nil:
		return c.held
	}
	return c.extra().self.Value()
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
			for _, c := range t.cores() {
				if g := c.usersOwn(); g != nil && !yield(g) {
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
		for _, c := range t.cores() {
			if p := c.parent.Load(); p == nil || p.c != g.c {
				continue
			}
			if child := c.usersOwn(); child != nil {
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
		return t.handOut(), true
	}
	return nil, false
}

// count notes a switch to c, by its own thread. Others read the number, so the race
// detector is to find no ordinary write; where it is not there, that takes less.
func (c *core) count() {
	if raceEnabled {
		atomic.AddUint64(&c.switches, 1)
	} else {
		c.switches++
	}
}

// SetValue keeps one value of the user's with the greenlet, in place of what a subclass of
// Python's greenlet has. It may lead to the greenlet itself, which can be forgotten all the
// same; it is not seen any more by the deferred calls of a greenlet that was killed since it
// was forgotten. Any goroutine may call it.
func (g *Greenlet) SetValue(v any) {
	if g.valid() {
		g.value.Store(&v)
	}
}

// Value returns what SetValue has set; nil: nothing. Any goroutine may call it.
func (g *Greenlet) Value() any {
	if g.valid() {
		if v := g.value.Load(); v != nil {
			return *v
		}
	}
	return nil
}

// switched is that number. Any goroutine may ask.
func (c *core) switched() uint64 { return atomic.LoadUint64(&c.switches) }
