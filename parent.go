package greenlet

import (
	"errors"
	"runtime"
	"sync"
)

// parents is held by SetParent, so that no other SetParent makes a cycle between its check for
// one and its change.
var parents sync.Mutex

// SetParent makes p the parent of g: the greenlet that gets control, with the
// result, when g ends. It is legal in every state of g, its own running included.
//
// A pending greenlet may be moved to another goroutine's tree, and then runs there;
// a dead one goes with its new parent, too. The parent of a started one is set on its own
// goroutine. If p belongs to another goroutine, that moves g and all greenlets below it:
// they run there from then on. They must be suspended, but not in C or with a locked thread;
// they must be in no next, Resume or Kill, nor be awaited by one; and neither of the two
// goroutines may be bound to its thread by a Run. All else is an error (ErrWrongThread,
// ErrThreadExited). Other errors: ErrCyclicParent, ErrRootParent, and a nil p.
func (g *Greenlet) SetParent(p *Greenlet) error {
	switch {
	case !g.valid():
		return fail("SetParent", g, errNil, "")
	case g.c.isRoot():
		return fail("SetParent", g, ErrRootParent, "")
	case !p.valid():
		return fail("SetParent", g, errNilParent, "")
	}
	parents.Lock()
	defer parents.Unlock()
	c := g.c
	for ancestor := p; ancestor != nil; ancestor = ancestor.c.parent.Load() {
		if ancestor.c == c {
			return fail("SetParent", g, ErrCyclicParent, "the new parent is "+p.String())
		}
	}
	for {
		switch c.life.Load() {
		case lifeMoving: // another goroutine is in start, SetParent or adopt
			runtime.Gosched()
			continue
		case lifePending:
			if !c.life.CompareAndSwap(lifePending, lifeMoving) {
				continue // another goroutine has started, moved or killed it
			}
			c.parent.Store(p)
			if c.hasDescendants.Load() { // after the Store: start sets it first, and then reads the parent
				p.noteDescendants()
			}
			c.life.Store(lifePending)
			return nil
		case lifeStarted:
			t := c.tree.Load()
			if t != currentTree() {
				return g.ownershipError("SetParent", t)
			}
			if owner := p.owner(); owner != nil && owner != t && t.free.Load() && owner.free.Load() &&
				t.implicit && owner.implicit && owner.end.Load() == endNot && !owner.rootGone() {
				if err := t.moveOut(c, p, owner); err == errEnds {
					runtime.Gosched() // the next look finds that p's tree has ended or is a bound one
					continue
				} else if err != nil {
					return fail("SetParent", g, errors.Join(ErrWrongThread, err), "the new parent is "+p.String())
				}
				return nil
			}
			if err := t.whyNotMine(p); err != nil {
				return fail("SetParent", g, err, "the new parent is "+p.String())
			}
		case lifeDead:
			if owner := p.owner(); owner != nil && owner != c.tree.Load() {
				// The goroutine that has killed it there uses its waiters, maybe just now. The flag comes
				// first, so whoever finds the new tree finds it set.
				c.makeRare().diedElsewhere.Store(true)
				c.tree.Store(owner)
			}
		}
		p.noteDescendants()
		c.parent.Store(p)
		if t := currentTree(); t != nil && c.tree.Load() == t && !c.rareFields().diedElsewhere.Load() {
			for c.waiter != nil && c.waiter.kill {
				c.removeKill(c.waiter) // as in Python: a greenlet that is being killed may still choose its heir
			}
			t.raceRelease() // its goroutine may end, and another one kill c
		}
		return nil
	}
}

// noteDescendants notes that a started greenlet descends from g, in g and in its ancestors. Where
// it is noted already, it is in the ancestors, too: SetParent keeps it so.
func (g *Greenlet) noteDescendants() {
	for g != nil && !g.c.hasDescendants.Load() {
		g.c.hasDescendants.Store(true)
		g = g.c.parent.Load()
	}
}
