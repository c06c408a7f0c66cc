package greenlet

import (
	"errors"
	"runtime"
	"unsafe"
)

// This file moves suspended greenlets from one goroutine's tree to another one's.

var (
	errAway   = errors.New("it runs, or waits in or for a next, a Resume or a Kill")
	errHeld   = errors.New("it is suspended in C code, or has locked its thread, so it can go on only on its own goroutine")
	errEnds   = errors.New("the tree there is about to end")
	errScope  = errors.New("it was begun outside of a Run and is used in it, or the other way round")
	errBubble = errors.New("one of the two is in a bubble of testing/synctest")
)

// beginTakeover is use for operations that any goroutine may do on the body of a hand, which is
// then moved to the caller's tree. last says that the operation ends the body: else nothing
// that has begun comes into a Run, at whose end it would be killed, or out of one.
func (g *Greenlet) beginTakeover(op string, last bool) (*tree, error) {
	if !g.valid() || g.c.asym == nil {
		return g.beginOperation(op)
	}
	t, o := currentTree(), g.owner()
	if o == nil || o == t || !o.free.Load() {
		return g.beginOperation(op)
	}
	if end := o.end.Load(); end != endNot && (end != endThread || g.c.life.Load() != lifePending) {
		return g.beginOperation(op) // else it has not begun on the goroutine that has made it, and that has ended
	}
	if t == nil {
		var err error
		if t, err = newTree(true, true); err != nil {
			return nil, err
		}
	} else if t.sections != 0 {
		return nil, fail(op, g, errSection, "leave it first")
	} else if err := engine.canSuspend(t.th, t.current.c.coro); err != nil {
		return nil, fail(op, g, err, "")
	}
	if err := t.adopt(g.c, o, last || t.implicit && o.implicit); err != nil {
		t.endOperation()
		return nil, fail(op, g, errors.Join(ErrWrongThread, err), "")
	}
	return t, nil
}

// adopt moves the body of a hand from another tree to this one, in which the calling
// goroutine runs: one that has begun only if begun says so. An error means that nothing was
// touched.
func (t *tree) adopt(c *core, from *tree, begun bool) error {
	for {
		switch c.life.Load() {
		case lifeDead:
			return nil
		case lifePending:
			if c.life.CompareAndSwap(lifePending, lifeMoving) {
				c.parent.Store(nil) // the root that it is first used from
				c.life.Store(lifePending)
				return nil
			}
		case lifeStarted:
			if !begun {
				return errScope
			}
			return t.moveIn(c, from, func() bool {
				h := c.asym
				return h.waiter.by == nil && c.waiter == nil && h.parked
			})
		}
		runtime.Gosched()
	}
}

// moveIn moves c, which is suspended in another tree, and what hangs under it. ok is asked
// while nobody else can touch c.
func (t *tree) moveIn(c *core, from *tree, ok func() bool) error {
	from.mu.Lock() // it may end just now: with its thread, in C
	err := from.claim(c)
	from.mu.Unlock()
	if err != nil {
		return err
	}
	was := &from.record.one
	if was.Bubble() || t.one.Bubble() {
		c.coro.Unclaim(was)
		return errBubble
	}
	if !ok() {
		c.coro.Unclaim(was)
		return errAway
	}
	from.mu.Lock()
	all := []*core{c}
	if c.hasChildren.Load() {
		for d := from.root.c.next; d != from.root.c; d = d.next {
			if d == c || !d.descendsFrom(c) {
				continue
			}
			if err := from.claim(d); err != nil {
				for _, d := range all {
					d.coro.Unclaim(was)
				}
				from.mu.Unlock()
				return err
			}
			all = append(all, d)
		}
	}
	from.movedSomeOut = true
	for _, d := range all {
		from.removeLive(d)
		d.tree.Store(t) // so that who looks on locks the tree in which it can go on, and end
	}
	from.mu.Unlock()
	for _, d := range all {
		t.admit(d)
	}
	if from.orphaned.Load() { // this may have been the last one
		endingOrphans.Lock()
		from.endIfEmpty()
		endingOrphans.Unlock()
	}
	return nil
}

// moveOut moves c, a started greenlet of the calling goroutine's tree, and what hangs under it
// to the tree of p, its new parent.
func (t *tree) moveOut(c *core, p *Greenlet, to *tree) error {
	if c == t.current.c {
		return errAway
	}
	endingOrphans.Lock() // so that nobody ends that tree meanwhile but its own goroutine
	defer endingOrphans.Unlock()
	old := c.parent.Swap(p) // before anybody can go on with it
	ends := false
	err := to.moveIn(c, t, func() bool {
		if t.awaitedWithin(c) {
			return false
		}
		to.referenceRoot() // it lasts now
		ends = to.rootRef.Load() == rootReleased || to.end.Load() != endNot || to.rootGone() || !to.free.Load()
		return !ends
	})
	if err != nil {
		c.parent.Store(old)
	}
	if ends {
		return errEnds
	}
	return err
}

// awaitedWithin says whether c, or what hangs under it, waits for somebody's end or yield, or is
// waited for, elsewhere.
func (t *tree) awaitedWithin(c *core) bool {
	in := func(d *core) bool { return d == c || d.descendsFrom(c) }
	return len(t.liveWhere(func(d *core) bool {
		for w := d.waiter; w != nil; w = w.next {
			if in(w.by.c) || in(d) {
				return true
			}
		}
		return false
	})) > 0
}

// claim takes a started greenlet of this tree, which is another goroutine's; see gort. Its
// caller has locked mu, under which greenlets end and leave.
func (t *tree) claim(c *core) error {
	if c.tree.Load() != t || t.record == nil || c.coro == nil {
		return errAway
	}
	if !c.coro.Claim(&t.record.one, func() bool { return t.runs(c) }) {
		if c.coro.Held() {
			return errHeld
		}
		return errAway
	}
	return nil
}

// descendsFrom says whether c hangs under top.
func (c *core) descendsFrom(top *core) bool {
	for p := c.parent.Load(); p != nil; p = p.c.parent.Load() {
		if p.c == top {
			return true
		}
	}
	return false
}

// admit ends the move of a claimed greenlet, which is in no list.
func (t *tree) admit(c *core) {
	c.worker.th = t.th
	if h := c.asym; h != nil {
		h.t, h.fastOn = t, nil
		h.body.moved()
	}
	t.mu.Lock()
	t.addLive(c)
	t.mu.Unlock()
	if p := c.parent.Load(); p != nil && p.owner() != t {
		c.parent.Store(t.root)
	}
	c.coro.Place(t.one, unsafe.Pointer(t))
}
