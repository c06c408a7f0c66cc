package greenlet

import (
	"errors"
	"runtime"
	"sync"
)

// parents makes the check for cycles and the change one step.
var parents sync.Mutex

// SetParent makes p the parent of g: the greenlet that gets control, with the
// result, when g ends. It is legal in every state of g, its own running included.
//
// A pending greenlet may be moved to another goroutine's tree, and then runs there;
// a dead one goes with its new parent, too. The parent of a started one is set on its own
// goroutine. That moves it, with all that hang under it, if p is another goroutine's: they
// run there from then on. They must be suspended, but not in C or with a locked thread, and
// in no next, Resume or Kill, nor be awaited by one; and neither of the two goroutines may be
// bound to its thread by a Run. All else is an error (ErrWrongThread, ErrThreadExited). Other errors:
// ErrCyclicParent, ErrRootParent, and a nil p.
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
	for q := p; q != nil; q = q.c.parent.Load() {
		if q.c == c {
			return fail("SetParent", g, ErrCyclicParent, "the new parent is "+p.String())
		}
	}
	for {
		switch c.life.Load() {
		case lifeMoving: // being started by another thread, for an instant
			runtime.Gosched()
			continue
		case lifePending:
			if !c.life.CompareAndSwap(lifePending, lifeMoving) {
				continue
			}
			c.parent.Store(p)
			c.life.Store(lifePending)
			return nil
		case lifeStarted:
			t := c.tree.Load()
			if t != currentTree() {
				return g.ownershipError("SetParent", t)
			}
			if o := p.owner(); o != nil && o != t && t.free.Load() && o.free.Load() &&
				t.implicit && o.implicit && o.end.Load() == endNot && !o.rootGone() {
				if err := t.moveOut(c, p, o); err == errEnds {
					runtime.Gosched()
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
			if o := p.owner(); o != nil {
				c.tree.Store(o)
			}
		}
		c.parent.Store(p)
		if c.tree.Load() == currentTree() {
			for c.waiter != nil && c.waiter.kill {
				c.remove(c.waiter) // as in Python: being killed, it may still choose its heir
			}
		}
		return nil
	}
}
