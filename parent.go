package greenlet

import (
	"runtime"
	"sync"
)

// parents makes the check for cycles and the change one step.
var parents sync.Mutex

// SetParent makes p the parent of g: the greenlet that gets control, with the
// result, when g ends. It is legal in every state of g, its own running included.
//
// A pending greenlet may be moved to another thread's tree, and then runs there;
// a dead one goes with its new parent, too. A started one cannot leave its thread,
// and only there may its parent be set (ErrWrongThread, ErrThreadExited). Other errors:
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
				return g.misused("SetParent", t)
			}
			if err := t.foreign(p); err != nil {
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
